"""The structured numbers behind a picture: what the `offline` reasoner reads instead of pixels.

Every number here could be read off the visual prompt by a person. No file name, no label.
All vectors are in the object frame (metres, +y up).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

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


class ObservedObject(BaseModel, frozen=True, extra="forbid"):
    """The whole object: size along world axes, principal axes, all parts."""

    extents: Vec3
    long_axis: Vec3
    principal_extents: Vec3
    center: Vec3
    parts: tuple[ObservedPart, ...]


class StageObservations(Observations):
    """Common to the stages of the chain: the object."""

    object: ObservedObject


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
