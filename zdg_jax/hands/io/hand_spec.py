"""The hand card: what a MJCF or URDF cannot say of a hand (DESIGN §4), read and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zdg_jax.errors import UserError
from zdg_jax.foreign import load_yaml
from zdg_jax.hands.model import HandModel

Vec3 = Annotated[list[float], Field(min_length=3, max_length=3)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PalmFrame(_Strict):
    """Origin on the palm's surface, D_finger and D_palm, all in the frame of `link`."""

    link: str
    origin: Vec3
    d_finger: Vec3
    d_palm: Vec3


class Pad(_Strict):
    """A fingertip pad: point on the skin and outward normal, in the frame of `link`."""

    link: str
    point: Vec3
    normal: Vec3


class Follow(_Strict):
    """q = scale x q_joint + offset (degrees): a coupling of the robot that its model does not state."""

    joint: str
    scale: float = 1.0
    offset: float = 0.0


class BarCard(_Strict):
    """How a long thing lies in a grasp type, palm frame: see `model.Bar`."""

    point: tuple[float, float, float]
    tail: tuple[float, float, float]
    hangs: bool = False
    wrapped: bool = False


class SlabCard(_Strict):
    """How a flat thing lies in a grasp type, palm frame: see `model.Slab`."""

    point: tuple[float, float, float]
    normal: tuple[float, float, float]
    out: tuple[float, float, float]


class GraspTypeCard(_Strict):
    """theta' in degrees by active joint (others 0) and contact probability by link: of its palmar side, and
    of its side towards the thumb.

    What is left out is taken over from human16's type of the same name: see `grasp_types.complete`.
    """

    description: str | None = None
    joints: dict[str, float] | None = None
    contact: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] | None = None
    side: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] | None = None
    bar: BarCard | None = None
    slab: SlabCard | None = None
    straight: list[str] | None = None


class Servo(_Strict):
    """Position servos of the active joints in simulation: N m/rad, and most torque, N m."""

    kp: float = Field(default=5.0, gt=0)
    torque: float = Field(default=3.0, gt=0)


class PostureLimit(_Strict):
    """Sum of shares times angles <= `at_most`, degrees: what one or two joints allow each other."""

    at_most: float
    shares: Annotated[dict[str, float], Field(min_length=1, max_length=2)]


class HandCard(_Strict):
    """One hand. `model` has one of the forms in `model_files.FORMS`.

    `skin` names a prepared npz beside the card, or `collision`: built from the collision geoms. A prepared
    one may say as `other` and `share` which second link a vertex follows near a joint, and by how much.
    `fixed` joints (degrees), those that `follow` another, and joints coupled by the model are not active.
    `limits` (degrees) replace the model's. Each of `tendons` (moment arm by joint) is pulled by one actuator,
    in place of its joints' own; the joints keep angles of their own.
    """

    name: str
    model: str
    skin: str = "collision"
    base: str
    fixed: dict[str, float] = Field(default_factory=dict)
    follow: dict[str, Follow] = Field(default_factory=dict)
    limits: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(default_factory=dict)
    tendons: dict[str, Annotated[dict[str, float], Field(min_length=1)]] = Field(default_factory=dict)
    posture: list[PostureLimit] = Field(default_factory=list)
    skin_exclude: list[str] = Field(default_factory=list)
    palm: PalmFrame
    fingers: dict[str, Annotated[list[str], Field(min_length=1)]]
    functional_fingers: Annotated[list[str], Field(min_length=1)]
    pads: dict[str, Pad]
    pregrasp_opening: float | None = Field(default=None, gt=0, lt=1)
    squeeze_rule: Annotated[float, Field(gt=1.0)] = 2.0
    servo: Servo = Servo()
    grasp_types: dict[str, GraspTypeCard] = Field(default_factory=dict)


def parse_card(path: Path) -> dict[str, Any]:
    """The card's YAML, not yet validated.

    Raises:
      UserError: no such file, or not YAML of names and values.
    """
    if not path.exists():
        raise UserError(f"no file {path}", "a hand card (YAML)", "check the path")
    values = load_yaml(path)
    if not isinstance(values, dict):
        raise UserError(f"{path.name} without names", "a hand card (YAML)", "see docs/add-a-hand.md")
    return values


def read_card(path: Path) -> HandCard:
    """Parse and validate a card; raises UserError naming the first field that is wrong."""
    try:
        return HandCard.model_validate(parse_card(path))
    except ValidationError as e:
        raise UserError(
            f"{path.name}: {field_faults(e)[0]}", "a complete hand card", "mend that field"
        ) from None


def field_faults(error: ValidationError) -> list[str]:
    """One line a wrong field: where it is and what is wrong with it."""
    return [f"{'.'.join(str(x) for x in e['loc'])}: {e['msg']}" for e in error.errors()]


#: Everything below this line belongs to `zdg hand fit`.
MARK = "# Found by `zdg hand fit`, in degrees; run it again after a change above."


def card_text(fields: Mapping[str, Any], note: str) -> str:
    """Fields of a card in their order, one line each where it fits, lists and pads in one line.

    Args:
      fields: as `propose.first_card` gives them.
      note: comment lines at the top.
    """
    lines = [f"# {line}" for line in note.splitlines()]
    for key, value in fields.items():
        if isinstance(value, dict) and key != "palm":
            lines.append(f"{key}:")
            lines += [f"  {name}: {_flow(item)}" for name, item in value.items()]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def with_types(text: str, hand: HandModel) -> str:
    """The card's text with the hand's grasp types below the mark, in place of those that stood there."""
    lines = [text.split(MARK)[0].rstrip(), "", MARK, "grasp_types:"]
    for name, kind in hand.grasp_types.items():
        degrees = np.rad2deg(kind.joints).round(1)
        joints = {j: float(d) for j, d in zip(hand.active_names, degrees, strict=True) if d}
        lines += [f"  {name}:", f"    joints: {_flow(joints)}"]
    return "\n".join(lines) + "\n"


def write_types(path: Path, hand: HandModel) -> None:
    """Write the hand's grasp types into its card."""
    path.write_text(with_types(path.read_text(encoding="utf-8"), hand), encoding="utf-8")


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
        .removesuffix("...\n")
        .strip()
    )
