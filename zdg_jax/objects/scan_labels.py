"""Part labels of scans: named regions in data files, the first that holds a face names it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import numpy as np
import yaml
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field

from zdg_jax.errors import UserError

Vec3 = tuple[float, float, float]
Points = Float[np.ndarray, "n 3"]
_FOLDER = "zdg_jax.objects.scan_parts"


class _Region(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(_Region):
    """Points with low <= p <= high along each axis; null leaves a side open."""

    kind: Literal["box"] = "box"
    low: tuple[float | None, float | None, float | None]
    high: tuple[float | None, float | None, float | None]

    def holds(self, p: Points, n: Points) -> Bool[np.ndarray, " n"]:
        low = np.array([-np.inf if v is None else v for v in self.low])
        high = np.array([np.inf if v is None else v for v in self.high])
        return np.all((p >= low) & (p <= high), axis=1)


class HalfSpace(_Region):
    """Points with (p - point) . normal >= 0."""

    kind: Literal["half_space"] = "half_space"
    point: Vec3
    normal: Vec3

    def holds(self, p: Points, n: Points) -> Bool[np.ndarray, " n"]:
        along: Float[np.ndarray, " n"] = (p - np.array(self.point)) @ np.array(self.normal)
        return np.greater_equal(along, 0)


class Cylinder(_Region):
    """Points within `radius` of the line from a to b, between its ends; or outside that radius."""

    kind: Literal["cylinder"] = "cylinder"
    a: Vec3
    b: Vec3
    radius: float = Field(gt=0)
    outside: bool = False

    def holds(self, p: Points, n: Points) -> Bool[np.ndarray, " n"]:
        a, axis = np.array(self.a), np.array(self.b) - np.array(self.a)
        t = (p - a) @ axis / (axis @ axis)
        far = np.linalg.norm(p - a - t[:, None] * axis, axis=1) > self.radius
        return (t >= 0) & (t <= 1) & (far == self.outside)


class Facing(_Region):
    """Faces whose outward normal n has n . direction >= least: tells the two sides of a thin wall apart."""

    kind: Literal["facing"] = "facing"
    direction: Vec3
    least: float = 0.5

    def holds(self, p: Points, n: Points) -> Bool[np.ndarray, " n"]:
        d = np.array(self.direction)
        return n @ (d / np.linalg.norm(d)) >= self.least


class Inward(_Region):
    """Faces that look at the upright axis through (x, z): the inside of a vessel."""

    kind: Literal["inward"] = "inward"
    x: float
    z: float

    def holds(self, p: Points, n: Points) -> Bool[np.ndarray, " n"]:
        return (p[:, 0] - self.x) * n[:, 0] + (p[:, 2] - self.z) * n[:, 2] < 0


Region = Annotated[Box | HalfSpace | Cylinder | Facing | Inward, Field(discriminator="kind")]


class NamedRegion(_Region):
    """A part: the points that all of its regions hold."""

    name: str
    within: tuple[Region, ...] = ()


class ScanParts(_Region):
    """Labels of one scan, in metres and its object frame (+y up, as `load_object` turns it)."""

    scan: str
    parts: tuple[NamedRegion, ...] = Field(min_length=1)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.name for part in self.parts))

    def label(self, points: Points, normals: Points) -> tuple[tuple[str, ...], Int[np.ndarray, " n"]]:
        """Part names and each point's index into them; the last part takes what no other holds."""
        names = self.names
        found = np.full(len(points), names.index(self.parts[-1].name))
        for part in reversed(self.parts):
            inside = np.ones(len(points), dtype=bool)
            for region in part.within:
                inside &= region.holds(points, normals)
            found[inside] = names.index(part.name)
        return names, found


@cache
def labelled_scans() -> tuple[str, ...]:
    """Names of the YCB scans that have labels, sorted."""
    return tuple(
        sorted(
            path.name.removesuffix(".yaml")
            for path in files(_FOLDER).iterdir()
            if path.name.endswith(".yaml")
        )
    )


@cache
def scan_regions(scan: str) -> ScanParts:
    """The labels of one YCB scan.

    Raises:
      UserError: it has none.
    """
    if scan not in labelled_scans():
        raise UserError(
            f"ycb:{scan} without labels", "a labelled scan", "choose of " + ", ".join(labelled_scans())
        )
    text = files(_FOLDER).joinpath(f"{scan}.yaml").read_text(encoding="utf-8")
    return ScanParts.model_validate(yaml.safe_load(text))
