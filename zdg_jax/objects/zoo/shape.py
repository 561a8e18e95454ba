"""Solids whose every face knows the part it belongs to, through all booleans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from manifold3d import Manifold, Mesh64, OpType

from zdg_jax.errors import UserError

Number = float | int  # a whole number is a fine length
#: Of what goes into booleans, metres: last bits of sines and products, which processors do not share, would
#: otherwise decide which triangles come out.
FINE = 1e-9
_BESIDE = 0.3183  # round sizes then never lie on the border between two grid points


def steady(points: Float[np.ndarray, "n d"], grid: Number = FINE) -> Float[np.ndarray, "n d"]:
    """Points on a grid of so many metres: equal everywhere, whatever the last bits were."""
    return np.floor(points / grid + _BESIDE) * grid


@dataclass(frozen=True)
class Shape:
    """A closed solid in metres, +y up.

    Attributes:
      solid: the geometry. Its faces keep the id of the primitive they came from.
      parts: part name of each primitive's id.
    """

    solid: Manifold
    parts: Mapping[int, str]

    @classmethod
    def of(cls, solid: Manifold, part: str) -> Shape:
        """A primitive: all its faces belong to one part."""
        if solid.is_empty():
            raise UserError(f"an empty solid for part {part!r}", "one with a volume", "mend its outline")
        original = solid.as_original()
        return cls(original, {original.original_id(): part})

    def __add__(self, other: Shape) -> Shape:
        return Shape(self.solid + other.solid, {**self.parts, **other.parts})

    def __sub__(self, other: Shape) -> Shape:
        """Cut away; the new faces belong to the cutter's part."""
        return Shape(self.solid - other.solid, {**self.parts, **other.parts})

    def __and__(self, other: Shape) -> Shape:
        return Shape(self.solid ^ other.solid, {**self.parts, **other.parts})

    def move(self, x: Number = 0.0, y: Number = 0.0, z: Number = 0.0) -> Shape:
        """Shifted, metres."""
        return Shape(self.solid.translate((x, y, z)), self.parts)

    def turn(self, x: Number = 0.0, y: Number = 0.0, z: Number = 0.0) -> Shape:
        """Turned about the world's axes through the origin, degrees, x first."""
        return Shape(self.solid.rotate((x, y, z)), self.parts)

    def scale(self, x: Number = 1.0, y: Number = 1.0, z: Number = 1.0) -> Shape:
        """Stretched along the world's axes."""
        return Shape(self.solid.scale((x, y, z)), self.parts)

    def mirror(self, axis: str = "x") -> Shape:
        """Mirrored at the plane through the origin across that axis."""
        return Shape(self.solid.mirror([float(axis == a) for a in "xyz"]), self.parts)

    def twin(self, axis: str = "x") -> Shape:
        """Together with its mirror image."""
        return self + self.mirror(axis)

    def around(self, count: int, axis: str = "y", degrees: Number = 360.0) -> Shape:
        """`count` copies, evenly turned about an axis."""
        step = degrees / count
        return union(*(self.turn(**{axis: i * step}) for i in range(count)))

    def finer(self, edge: Number) -> Shape:
        """The same surface with edges split to about this length, metres."""
        return Shape(self.solid.refine_to_length(edge), self.parts)

    def bend(self, function: Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, "n 3"]]) -> Shape:
        """Vertices moved by a function; call `finer` first where faces are large."""
        return Shape(self.solid.warp_batch(lambda p: steady(function(np.array(p)))), self.parts)

    def zone(self, cutter: Shape, names: Mapping[str, str]) -> Shape:
        """The same solid with parts renamed inside a cutter: {old name: new name}."""
        inside, outside = self & cutter, self - cutter
        mesh = inside.solid.to_mesh64()
        first = Manifold.reserve_ids(len(inside.parts))
        fresh = {old: first + i for i, old in enumerate(inside.parts)}
        ids = np.array([fresh[int(old)] for old in mesh.run_original_id], dtype=np.uint32)
        again = Mesh64(
            np.array(mesh.vert_properties, dtype=np.float64, order="C"),
            np.array(mesh.tri_verts, dtype=np.uint64, order="C"),
            run_index=np.array(mesh.run_index, dtype=np.uint64),
            run_original_id=ids,
            face_id=np.array(mesh.face_id, dtype=np.uint64),
        )
        renamed = {fresh[old]: names.get(name, name) for old, name in inside.parts.items()}
        return Shape(Manifold(again), renamed) + outside

    def hull(self, part: str) -> Shape:
        """The convex hull as one part."""
        return Shape.of(self.solid.hull(), part)

    def arrays(self) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"], list[str]]:
        """Vertices, faces and each face's part name."""
        mesh = self.solid.to_mesh64()
        bounds = np.asarray(mesh.run_index, dtype=np.int64) // 3
        names: list[str] = []
        for original, first, last in zip(mesh.run_original_id, bounds[:-1], bounds[1:], strict=True):
            names += [self.parts[int(original)]] * int(last - first)
        vertices = np.asarray(mesh.vert_properties, dtype=np.float64)[:, :3]
        return vertices, np.asarray(mesh.tri_verts, dtype=np.int64), names


def union(*shapes: Shape) -> Shape:
    """All of them in one solid."""
    parts = {key: name for shape in shapes for key, name in shape.parts.items()}
    return Shape(Manifold.batch_boolean([shape.solid for shape in shapes], OpType.Add), parts)
