"""Question, Answer and the one protocol that every provider speaks (DESIGN §5)."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float
from PIL import Image
from pydantic import BaseModel, ConfigDict

# The structured numbers behind a picture: what the rules read instead of pixels.
#
# There are two sets of them, in the same classes (`reasoning/evidence.py`). Those of `offline` are more than
# a picture's viewer sees: parts are measured whole, unseen sides too, directions and rotations know what
# stands in their way. Those of `offline-seen` are read off the surface that the question's pictures show. In
# neither is a file name or a label. All vectors are in the object frame (metres, +y up).
Vec3 = tuple[float, float, float]


class Observations(BaseModel):
    """Common to all stages: the sentence, and the name only if the user gave one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    task: str
    object_name: str | None


class ObservedPart(BaseModel, frozen=True, extra="forbid"):
    """One marked part; see `zdg_jax.objects.model.PartDescriptor` for the meaning of each number."""

    number: int
    center: Vec3
    axis: Vec3
    extents: Vec3
    elongation: float
    flatness: float
    thickness: float
    area_share: float
    relative_center: Vec3
    axial_position: float
    is_loop: bool
    hole_diameter: float
    end_distance: float
    concave: bool
    neighbours: tuple[int, ...]
    straight: Vec3 = (0.0, 0.0, 0.0)


class ObservedObject(BaseModel, frozen=True, extra="forbid"):
    """The whole object: size along world axes, principal axes, all parts."""

    extents: Vec3
    long_axis: Vec3
    principal_extents: Vec3
    center: Vec3
    parts: tuple[ObservedPart, ...]


class StageObservations(Observations):
    """Common to the stages of the chain: the object, and the grasp types that the hand has to offer.

    Attributes:
      object: its numbers.
      types: names; empty where they are not told.
    """

    object: ObservedObject
    types: tuple[str, ...] = ()


class ChosenPartsObservations(StageObservations):
    """What the stages after the part level know: which parts were chosen."""

    hand_parts: tuple[int, ...]
    func_parts: tuple[int, ...]


class RegionObservations(ChosenPartsObservations):
    """The same with the hand region: its centre C, principal extents (metres) and long axis."""

    center: Vec3
    region_extents: Vec3
    region_axis: Vec3


def vec3(values: Float[np.ndarray, "3"]) -> Vec3:
    """Three floats as a plain tuple."""
    x, y, z = (float(value) for value in values)
    return (x, y, z)


_MOST_KNOWN = 64


@dataclass(frozen=True)
class EncodedPicture:
    """A picture on its way to the process that sends it out.

    Attributes:
      sha: of its pixels, see `image_sha`.
      png: the file.
    """

    sha: str
    png: bytes = field(repr=False)


def image_sha(image: Image.Image | EncodedPicture) -> str:
    """SHA-256 of size, mode and pixels: the same picture has one name whatever wrote its file."""
    if isinstance(image, EncodedPicture):
        return image.sha
    with _lock:
        known = _known.get(id(image))
    if known is not None and known[0] is image:
        return known[1]
    digest = hashlib.sha256(f"{image.mode} {image.width} {image.height} ".encode())
    digest.update(image.tobytes())
    with _lock:
        while len(_known) >= _MOST_KNOWN:
            _known.popitem(last=False)
        _known[id(image)] = (image, digest.hexdigest())
    return digest.hexdigest()


# A picture of a question is named three times on its way, and none is drawn upon once it is shown. Holding
# the picture keeps its id its own.
_lock = threading.Lock()
_known: OrderedDict[int, tuple[Image.Image, str]] = OrderedDict()
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Question(Generic[A]):
    """One stage's question: what a person would be shown and asked.

    Attributes:
      stage: view | hand_part | func_part | points | direction | grasp_type | rotation.
      prompt: the rendered text, JSON schema of `schema` included.
      images: the visual prompts, in the order in which the text speaks of them.
      candidates: the only labels an answer may use.
      schema: the pydantic class of the answer, its reasoning field first.
      observations: the structured numbers behind the pictures.
      feedback: why earlier answers to this question were refused, oldest first.
      judge: None if an answer will do, else why not; who keeps answers keeps only those that pass.
      seen: the same numbers, as far as the pictures show them; worked out when called.
    """

    stage: str
    prompt: str
    images: tuple[Image.Image | EncodedPicture, ...]
    candidates: tuple[str, ...]
    schema: type[A]
    observations: Observations
    feedback: tuple[str, ...] = ()
    judge: Callable[[A], str | None] | None = None
    seen: Callable[[], Observations] | None = None


MOST = 10**9  # tokens of a call, seconds, USD: a number beyond is none


def bounded_count(number: object) -> int | None:
    """A count that somebody else gave; None if it is none, or absurd."""
    good = isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= MOST
    return number if good else None  # type: ignore[return-value]


def bounded_amount(number: object) -> float | None:
    """An amount that somebody else gave; None if it is none, negative, not finite, or absurd."""
    good = isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= MOST
    return float(number) if good else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class Call:
    """What one call cost and who answered; unknown numbers are None, never 0.

    `model` is the one that answered, `asked` the one that was asked for if that is another. `attempts` counts
    the requests sent for it. 0 means that none was: the answer had been paid before, and the numbers are
    those of the call that paid it.
    """

    stage: str
    provider: str
    model: str
    prompt_sha: str
    attempts: int = 1
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float = 0.0
    asked: str | None = None

    def __post_init__(self) -> None:
        # Whoever made it: a server, a cache of another version, a recorded file. The rows' columns are typed.
        for name in ("input_tokens", "output_tokens", "cached_tokens"):
            object.__setattr__(self, name, bounded_count(getattr(self, name)))
        object.__setattr__(self, "cost_usd", bounded_amount(self.cost_usd))
        object.__setattr__(self, "latency_s", bounded_amount(self.latency_s) or 0.0)
        object.__setattr__(self, "attempts", bounded_count(self.attempts) or 0)


@dataclass(frozen=True)
class Answer(Generic[A]):
    """A schema-valid answer and its call.

    Attributes:
      doubts: sentences that say what was guessed; they become the task's warnings.
    """

    value: A
    call: Call = field(kw_only=True)
    doubts: tuple[str, ...] = field(default=(), kw_only=True)


class ReasonerError(Exception):
    """The provider could not answer; `status` becomes the row's status, `call` what it cost all the same."""

    def __init__(self, status: str, reason: str, call: Call | None = None) -> None:
        self.status, self.reason, self.call = str(status), reason, call
        super().__init__(f"{status}: {reason}")


class UnusableAnswer(ReasonerError):
    """The provider answered, but not with an answer: asked again with `reason` as feedback.

    A refusal, a content filter, a truncated, empty or malformed reply. `status` becomes the row's status
    only if it lasts.
    """


@runtime_checkable
class Reasoner(Protocol):
    """Answers questions. Raises `ReasonerError`, nothing else, when it cannot."""

    name: str

    async def ask(self, question: Question[A]) -> Answer[A]: ...


def looks(reasoner: Reasoner) -> bool:
    """Whether it looks at a question's pictures: unless its attribute `looks` is False."""
    return bool(getattr(reasoner, "looks", True))
