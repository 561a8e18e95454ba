"""Parts by name: of generated objects, and of scans labelled by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import numpy as np
import trimesh
import yaml
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field

from zdg_jax.errors import UserError
from zdg_jax.objects.model import ObjectModel, Part
from zdg_jax.objects.parts.descriptors import describe_part
from zdg_jax.objects.sources import YCB_PREFIX, ZOO_PREFIX
from zdg_jax.objects.zoo import zoo_object


@dataclass(frozen=True)
class NamedParts:
    """Attributes:
    names: of the parts.
    face_part: index into `names` of each face of the checked mesh.
    """

    names: tuple[str, ...]
    face_part: Int[np.ndarray, " faces"]

    def faces_of(self, names: Sequence[str]) -> Bool[np.ndarray, " faces"]:
        """Faces that belong to any of these parts.

        Raises:
          UserError: the object has no part of that name.
        """
        if unknown := sorted(set(names) - set(self.names)):
            raise UserError(f"part {unknown[0]!r}", f"one of {', '.join(self.names)}", "mend the label")
        return np.isin(self.face_part, [self.names.index(name) for name in names])

    def samples_of(self, obj: ObjectModel, names: Sequence[str]) -> Bool[np.ndarray, " samples"]:
        """Surface samples on any of these parts."""
        return self.faces_of(names)[obj.samples.faces]


def named_parts(obj: ObjectModel) -> NamedParts:
    """The labelled parts of a zoo object or of a labelled YCB scan.

    Raises:
      UserError: the object has no labels.
    """
    return parts_of_mesh(obj.object_id, obj.mesh, obj.scale)


def parts_of_mesh(object_id: str, mesh: trimesh.Trimesh, scale: float = 1.0) -> NamedParts:
    """The same from the checked mesh alone.

    Args:
      object_id: `zoo:CATEGORY/VARIANT` or `ycb:NAME`.
      mesh: checked, +y up.
      scale: by which it was multiplied.

    Raises:
      UserError: the object has no labels.
    """
    if object_id.startswith(ZOO_PREFIX):
        made = zoo_object(object_id.removeprefix(ZOO_PREFIX))
        if len(made.face_part) != len(mesh.faces):
            raise ValueError(f"{object_id}: the checks changed its faces; its labels no longer fit")
        return NamedParts(made.part_names, made.face_part)
    if object_id.startswith(YCB_PREFIX):
        centers = np.asarray(mesh.triangles_center) / scale
        normals = np.asarray(mesh.face_normals)
        names, face_part = scan_regions(object_id.removeprefix(YCB_PREFIX)).label(centers, normals)
        return NamedParts(names, face_part)
    raise UserError(
        f"{object_id} without labels", "a zoo: object or a labelled ycb: scan", "choose another object"
    )


def with_named_parts(obj: ObjectModel) -> tuple[ObjectModel, tuple[str, ...]]:
    """The object with its labelled parts in place of the geometric ones; part n has the n-th name.

    Thickness, through-holes and hollows are those of the geometric parts underneath.
    """
    named = named_parts(obj)
    present = [k for k in range(len(named.names)) if (named.face_part == k).any()]
    face_part = np.searchsorted(present, named.face_part) + 1
    area = obj.mesh.area_faces
    thickness, hole, concave = (np.zeros(len(face_part)) for _ in range(3))
    for part in obj.parts:
        thickness[part.faces] = part.descriptor.thickness
        hole[part.faces] = part.descriptor.hole_diameter
        concave[part.faces] = part.descriptor.concave
    parts = []
    for number in range(1, len(present) + 1):
        faces = np.flatnonzero(face_part == number)
        weight = area[faces] / area[faces].sum()
        held = float(hole[faces].max()) if weight[hole[faces] > 0].sum() > 0.5 else 0.0
        descriptor = describe_part(obj.mesh, faces, thickness, held, bool(weight @ concave[faces] > 0.5))
        parts.append(Part(number, faces, descriptor))
    made = replace(obj, parts=tuple(parts), face_part=face_part, sample_part=face_part[obj.samples.faces])
    return made, tuple(named.names[k] for k in present)


Vec3 = tuple[float, float, float]
Points = Float[np.ndarray, "n 3"]
_FOLDER = files("zdg_jax.objects") / "scan_parts"


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
        sorted(path.name.removesuffix(".yaml") for path in _FOLDER.iterdir() if path.name.endswith(".yaml"))
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
    text = _FOLDER.joinpath(f"{scan}.yaml").read_text(encoding="utf-8")
    return ScanParts.model_validate(yaml.safe_load(text))
