"""The hand card: what a MJCF cannot say of a hand (DESIGN §4)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zdg_jax.errors import UserError

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


class GraspTypeCard(_Strict):
    """theta' in degrees by active joint (others 0) and contact probability by link."""

    description: str
    joints: dict[str, float]
    contact: dict[str, float]


class Servo(_Strict):
    """Position servos of the active joints in simulation: N m/rad, and most torque, N m."""

    kp: float = Field(default=5.0, gt=0)
    torque: float = Field(default=3.0, gt=0)


class HandCard(_Strict):
    """One hand. `model` is `asset:FILE` beside the card or `mjx:FILE` inside the mujoco-mjx wheel.

    `skin` names a prepared npz beside the card, or `collision`: built from the collision geoms.
    `fixed` joints (degrees) and joints coupled by MJCF equalities are not active.
    """

    name: str
    model: str
    skin: str
    base: str
    fixed: dict[str, float] = Field(default_factory=dict)
    skin_exclude: list[str] = Field(default_factory=list)
    palm: PalmFrame
    fingers: dict[str, list[str]]
    functional_fingers: list[str]
    pads: dict[str, Pad]
    pregrasp_opening: float = Field(default=0.2, gt=0, lt=1)
    squeeze_rule: float = 2.0
    servo: Servo = Servo()
    grasp_types: dict[str, GraspTypeCard]


def read_card(path: Path) -> HandCard:
    """Parse and validate a card; raises UserError naming the first field that is wrong."""
    try:
        return HandCard.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError:
        raise UserError(f"no file {path}", "a hand card (YAML)", "check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(
            f"{path.name}, which is not YAML ({e})", "a hand card (YAML)", "mend the file"
        ) from None
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(x) for x in first["loc"])
        raise UserError(
            f"{path.name}: {where}: {first['msg']}", "a complete hand card", "mend that field"
        ) from None
