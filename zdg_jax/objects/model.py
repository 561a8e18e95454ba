"""The object as every later stage reads it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int, Int32, UInt32
from scipy.spatial import ConvexHull, QhullError

from zdg_jax.objects.paint import Paint

SUBDIVISION = 4  # fine cells along each axis of a refined coarse cell


@dataclass(frozen=True)
class SurfaceSamples:
    """Evenly spread surface points (paper IV-A: 4096) with outward unit normals."""

    points: Float[np.ndarray, "samples 3"]
    normals: Float[np.ndarray, "samples 3"]
    faces: Int[np.ndarray, " samples"]


@dataclass(frozen=True)
class PartDescriptor:
    """Geometry of one part, in metres and the object frame; all that `facts` say of it.

    Attributes:
      center: mean of the part's samples.
      axis: unit direction of its greatest extent.
      extents: sizes along its principal axes, descending.
      elongation: extents[0] / extents[1].
      flatness: extents[1] / extents[2].
      thickness: median local thickness (shape diameter).
      area_share: share of the object's surface, 0..1.
      relative_center: `center` in the object's bounding box, each coordinate in -1..1.
      axial_position: position along the object's longest axis, -1..1.
      is_loop: the part is a loop or borders a through-hole that a finger could pass.
      hole_diameter: diameter of that hole, 0 if none.
      end_distance: 0 = at an end of the object's longest axis, 1 = at its middle.
      concave: the part is the inside of a cavity (faces see each other across open space).
      straight: unit direction across a blade to its back, the straighter of its two long edges; zeros where
        the part is no blade or both are alike.
    """

    center: Float[np.ndarray, "3"]
    axis: Float[np.ndarray, "3"]
    extents: Float[np.ndarray, "3"]
    elongation: float
    flatness: float
    thickness: float
    area_share: float
    relative_center: Float[np.ndarray, "3"]
    axial_position: float
    is_loop: bool
    hole_diameter: float
    end_distance: float
    concave: bool
    straight: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))


@dataclass(frozen=True)
class Part:
    """One geometric part; `number` starts at 1 and is the mark shown in every picture."""

    number: int
    faces: Int[np.ndarray, " part_faces"]
    descriptor: PartDescriptor


@dataclass(frozen=True, eq=False)
class SignedDistanceField:
    """Signed distance in a grid of coarse cells, some cut into SUBDIVISION³ fine ones; trilinear in each.

    p_field = R_field_obj p_obj; positive outside; continuous up to float16 rounding.

    Attributes:
      R_field_obj: proper rotation onto the axes of the oriented bounding box, the longest last.
      origin: coarse node (0, 0, 0) in the field's frame, metres.
      spacing: coarse step, metres, the same along all axes.
      shape: coarse cells along each axis.
      entries: one a coarse cell, last axis fastest: (row << 1) | refined. An uncut cell has that one
        row, a refined one the 64 rows from it on: fine cell (a, b, c) has row + (4 a + b) 4 + c.
      rows: the eight corner values of a cell, float16 metres: word 2 dx + dy holds the one at dz = 0 in
        its low 16 bits and the one at dz = 1 in its high 16.
    """

    R_field_obj: Float[np.ndarray, "3 3"]
    origin: Float[np.ndarray, "3"]
    spacing: float
    shape: tuple[int, int, int]
    entries: Int32[np.ndarray, " cells"]
    rows: UInt32[np.ndarray, "rows 4"]

    @property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """Lowest and highest corner of the grid, field frame, metres."""
        return np.stack([self.origin, self.origin + self.spacing * np.array(self.shape)])


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """A checked object: metres, +y up, outward normals."""

    object_id: str
    name: str | None
    scale: float
    mesh: trimesh.Trimesh
    mesh_sha256: str
    warnings: tuple[str, ...]
    samples: SurfaceSamples
    parts: tuple[Part, ...]
    face_part: Int[np.ndarray, " faces"]
    sample_part: Int[np.ndarray, " samples"]
    features: Float[np.ndarray, "samples features"]
    field: SignedDistanceField
    paint: Paint | None = None  # None draws grey
    learnt_features: bool = False  # `features` come from a network's file, not from geometry

    @cached_property
    def looks_sha256(self) -> str:
        """Of shape and colours: what a model was shown. Without colours it is the shape's."""
        if self.paint is None:
            return self.mesh_sha256
        return hashlib.sha256(f"{self.mesh_sha256} {self.paint.sha256}".encode()).hexdigest()

    @cached_property
    def hull(self) -> Float[np.ndarray, "planes 4"]:
        """Half-spaces of the convex hull, see `half_spaces`."""
        return half_spaces(np.asarray(self.mesh.vertices))

    def part_mask(self, numbers: tuple[int, ...]) -> Bool[np.ndarray, " samples"]:
        """Samples that lie on any of the numbered parts."""
        return np.isin(self.sample_part, numbers)


# Where a hand that comes from a direction starts: the object's expanded convex hull (eq. 1).
#: How far the hull's faces stand off the object; the paper leaves it open, metres.
EXPANSION = 0.01


def half_spaces(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "planes 4"]:
    """Half-spaces n . x + d <= 0 of the convex hull.

    Args:
      points: the object's vertices, metres.
    Returns:
      rows (n, d) with unit outward n.
    """
    try:
        hull = ConvexHull(points)
    except QhullError:  # a flat sheet has no volume; QJ joggles it by a hair
        hull = ConvexHull(points, qhull_options="QJ Pp")
    return np.unique(hull.equations, axis=0)


def expanded(planes: Float[np.ndarray, "planes 4"], expansion: float) -> Float[np.ndarray, "planes 4"]:
    """The half-spaces, each face moved outward by `expansion`: d' = d - expansion.

    Every point of the expanded surface is then at least `expansion` away from the object, whatever the
    object's proportions; scaling about a centre would leave a long object's sides bare.

    Args:
      planes: from `half_spaces`.
      expansion: metres.
    """
    return planes - [0.0, 0.0, 0.0, expansion]


def exit_distance(
    center: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"], hull: Float[np.ndarray, "planes 4"]
) -> float:
    """Distance from a point inside the expanded hull to its surface (eq. 1).

    t = min over faces with n . D > 0 of -(n . C + d) / (n . D)

    Args:
      center: C, metres, inside the hull (a mean of surface points always is).
      direction: D*, unit.
      hull: from `expanded`.
    Returns:
      metres, positive.
    """
    speed = hull[:, :3] @ direction
    room = -(hull[:, :3] @ center + hull[:, 3])
    ahead = speed > 1e-9
    return float(np.min(room[ahead] / speed[ahead]))


def hand_position(
    center: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"], hull: Float[np.ndarray, "planes 4"]
) -> Float[np.ndarray, "3"]:
    """T' = Intersect(ray(C, D*), H_obj), eq. 1; arguments as in `exit_distance`, metres."""
    return center + exit_distance(center, direction, hull) * direction
