"""One request and one reply of a model: from a question to what goes out and its key, back to an answer."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol, TypeVar, runtime_checkable

from PIL import Image
from pydantic import BaseModel, ValidationError

from zdg_jax.reasoning.models.answer_cache import key_of
from zdg_jax.reasoning.models.settings import Abilities, Settings, hide, redact
from zdg_jax.reasoning.protocol import EncodedPicture, Question, image_sha
from zdg_jax.status import Status


# What every provider's wire takes and gives: one request, one reply or one fault.
@dataclass(frozen=True)
class Usage:
    """Tokens of one request; None where the provider did not say.

    Attributes:
      input_tokens: all input, cached included.
      output_tokens: all output, hidden reasoning included.
      cached_tokens: the part of the input that the provider had cached.
      thinking_tokens: the hidden part of the output.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    thinking_tokens: int | None = None


OWN = "\n\n## This task\n"
"""The heading below which a prompt speaks of one task."""


@dataclass(frozen=True)
class WireRequest:
    """One question as it goes out.

    Attributes:
      text: the prompt, earlier refusals included.
      images: PNG files, in the order in which the text speaks of them.
      schema_name, schema: the JSON schema that the answer must fit.
      able: the parameters to send; None for the wire's own.
      key: under which its answer is kept; names its row in a batch job.
    """

    text: str
    images: tuple[bytes, ...]
    schema_name: str
    schema: dict[str, Any] = field(repr=False)
    able: Abilities | None = None
    key: str = ""

    @property
    def halves(self) -> tuple[str, str]:
        """The text that all tasks share, and the task's own, perhaps none.

        Pictures go between them: those of an object are shared by its tasks, and providers and servers keep
        the longest beginning that two requests have in common.
        """
        shared, heading, own = self.text.partition(OWN)
        return shared, heading.lstrip("\n") + own


class Ending(StrEnum):
    """How a reply ended."""

    COMPLETE = "complete"
    REFUSED = "refused"
    TRUNCATED = "truncated"


@dataclass(frozen=True)
class Reply:
    """The provider did its work; whether the answer is any good is judged elsewhere.

    Attributes:
      text: what the model wrote, perhaps nothing.
      ending: how it ended.
      why: the refusal's words or the filter's name.
      model: the id that the provider says it used.
      usage: counted whatever the ending.
    """

    text: str
    ending: Ending
    why: str
    model: str
    usage: Usage


class FaultKind(StrEnum):
    """What kept the provider from replying."""

    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    GARBLED = "garbled"
    UNREACHABLE = "unreachable"
    AUTH = "auth"
    UNKNOWN_MODEL = "unknown_model"
    REJECTED = "rejected"
    TOO_LARGE = "too_large"
    NO_QUOTA = "no_quota"


@dataclass(frozen=True)
class Fault:
    """No reply.

    Attributes:
      kind: what happened.
      detail: one line, free of secrets.
      retry_after: seconds that the provider asked us to wait.
      said: all of the provider's words, free of secrets.
      param: the parameter that it names as wrong.
    """

    kind: FaultKind
    detail: str
    retry_after: float | None = None
    said: str = field(default="", repr=False)
    param: str = ""


@runtime_checkable
class Wire(Protocol):
    """One provider's API. Methods run on the I/O loop and never raise what the network did."""

    name: str
    """An entry of `providers` in providers.yaml."""
    model: str
    official: bool
    """Whether the address is the provider's own; prices and limits are known only then."""
    address: str
    """Scheme and host, without credentials."""
    key_name: str
    """The environment variable that held the key."""
    settings: Settings
    abilities: Abilities
    """Of the model, as configured."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything besides the question that an answer depends on; part of the cache's key."""
        ...

    async def send(self, request: WireRequest) -> Reply | Fault: ...

    async def probe(self) -> Fault | None:
        """A free look whether address, key and model are good; None if nothing is known to be wrong."""
        ...

    async def close(self) -> None: ...


KEY_VERSION = 1
"""Raise it when the same question is put into other words below."""


def with_feedback(prompt: str, feedback: tuple[str, ...]) -> str:
    """The prompt, and why earlier answers to it were refused."""
    if not feedback:
        return prompt
    reasons = "\n".join(f"{number}. {reason}" for number, reason in enumerate(feedback, start=1))
    return (
        f"{prompt.rstrip()}\n\n## Your earlier answers\n\n"
        f"You answered this before, and the answer could not be used:\n{reasons}\n\n"
        "Answer again, and differently.\n"
    )


def wire_request(question: Question[Any], wire: Wire) -> WireRequest:
    """Text, PNG files and the schema that is rendered from the answer's class, for this wire."""
    return WireRequest(
        text=with_feedback(question.prompt, question.feedback),
        images=tuple(map(png, question.images)),
        schema_name=question.schema.__name__,
        schema=json_schema(question.schema),
        key=keys(question, wire)[0],
    )


@lru_cache(maxsize=64)
def json_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The answer's class as JSON schema; not to be changed by whoever gets it."""
    said = schema.model_json_schema()
    # strict structured outputs ask for every field, also one that has a default for those who leave it out
    return {**said, "required": list(said["properties"])}


def sealed(question: Question[Any]) -> Question[Any]:
    """The same question, pictures encoded, without its functions: what another process can send."""
    pictures = tuple(EncodedPicture(image_sha(image), png(image)) for image in question.images)
    return replace(question, images=pictures, judge=None, seen=None)


def png(image: Image.Image | EncodedPicture) -> bytes:
    """The picture as a PNG file; a picture that several questions show is encoded once."""
    if isinstance(image, EncodedPicture):
        return image.png
    sha = image_sha(image)
    if sha not in _encoded:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        while len(_encoded) >= _MOST_ENCODED:
            _encoded.pop(next(iter(_encoded)))
        _encoded[sha] = buffer.getvalue()
    return _encoded[sha]


_encoded: dict[str, bytes] = {}  # used by one thread of a process: the I/O loop, or who seals questions
_MOST_ENCODED = 128


def prompt_sha(question: Question[Any]) -> str:
    """SHA-256 of the prompt, feedback left out."""
    return hashlib.sha256(question.prompt.encode()).hexdigest()


def keys(question: Question[Any], wire: Wire, model: str | None = None) -> list[str]:
    """Cache keys: the question's own, then those of the same question with less feedback.

    Args:
      question: as it is asked.
      wire: who is asked.
      model: who answers, if it is another model than the wire's.

    An answer that was accepted after n refusals settles the stage. Kept under the shorter keys too, it
    answers the first question of the next run, so that a mended stage is not paid again. Where a shorter
    question has an accepted answer of its own, that one stays.
    """
    content = {
        "version": KEY_VERSION,
        "wire": wire.name,
        "address": wire.address,
        "model": model or wire.model,
        "parameters": wire.parameters,
        "stage": question.stage,
        "prompt": question.prompt,
        "images": [image_sha(image) for image in question.images],
        "schema": json_schema(question.schema),
    }
    reasons = list(question.feedback)
    return [key_of({**content, "feedback": reasons[:end]}) for end in range(len(reasons), -1, -1)]


A = TypeVar("A", bound=BaseModel)
_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_SHOWN = 3  # schema errors quoted back
_LONGEST = 300  # characters of a provider's words


def read(reply: Reply, schema: type[A]) -> A | tuple[Status, str]:
    """The answer, or (status, why it is none, written to the model).

    Args:
      reply: of any provider.
      schema: the class that the answer must fit.
    """
    why = redact(reply.why)[:_LONGEST]
    if reply.ending is Ending.REFUSED:
        return Status.PROVIDER_REFUSED, (
            f"The reply was a refusal ({why or 'no reason given'}). The task is to plan a robot hand's grasp "
            "of a harmless everyday object; answer with the JSON object."
        )
    if reply.ending is Ending.TRUNCATED:
        return Status.PROVIDER_TRUNCATED, (
            f"The reply was cut off ({why or 'too long'}). Keep `reasoning` to two short sentences."
        )
    text = hide(reply.text)
    if not text.strip():
        return Status.PROVIDER_INVALID, "The reply was empty. Answer with the JSON object."
    fenced = _FENCE.match(text)
    try:
        return schema.model_validate_json(fenced.group(1) if fenced else text)
    except ValidationError as error:
        return Status.PROVIDER_INVALID, _complaint(error)


def _complaint(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    said = "; ".join(
        f"{'.'.join(map(str, entry['loc'])) or 'the reply'}: {entry['msg']}" for entry in found[:_SHOWN]
    )
    more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
    return f"The reply does not fit the schema: {said}{more}. Answer with one JSON object that does."


_DECODER = json.JSONDecoder()


def last_object(text: str) -> str | None:
    """The last whole JSON object in a text, as it stands there; None if there is none.

    Small models greet, think aloud, repeat the schema and fence their answer; the answer comes last.

    Args:
      text: what the model wrote.
    """
    found, place = None, text.find("{")
    while place >= 0:
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (json.JSONDecodeError, RecursionError):
            place = text.find("{", place + 1)
            continue
        if isinstance(value, dict):
            found = text[place:end]
        place = text.find("{", end)
    return found
