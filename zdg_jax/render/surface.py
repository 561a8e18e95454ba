"""A coloured triangle mesh, as the renderer takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float, Int

from zdg_jax.pose import unit

NEUTRAL = (0.80, 0.79, 0.77)
_CREASE = 0.8  # cosine; a corner whose vertex normal leaves its face further than this stays sharp


@dataclass(frozen=True)
class Surface:
    """Triangles in the world frame, metres, outward winding.

    Attributes:
      rgb: one colour a face, 0..1.
      shading: unit normal at each corner of each face; pictures are lit by these.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    rgb: Float[np.ndarray, "faces 3"]
    shading: Float[np.ndarray, "faces 3 3"]

    @classmethod
    def of(
        cls,
        mesh: trimesh.Trimesh,
        rgb: Sequence[float] | Float[np.ndarray, "..."] = NEUTRAL,
    ) -> Surface:
        """A mesh in one colour, one colour a face, or one colour a vertex (averaged over each face)."""
        return cls.from_arrays(np.asarray(mesh.vertices), np.asarray(mesh.faces), rgb)

    @classmethod
    def from_arrays(
        cls,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "faces 3"],
        rgb: Sequence[float] | Float[np.ndarray, "..."] = NEUTRAL,
        *,
        smooth: bool = False,
    ) -> Surface:
        """As `of`, from plain arrays; `smooth` shades without creases, as skin is.

        Raises:
          ValueError: if the colours fit neither faces nor vertices.
        """
        color = np.asarray(rgb, dtype=np.float64)
        if color.shape == (3,):
            color = np.tile(color, (len(faces), 1))
        elif color.shape == (len(vertices), 3) and len(vertices) != len(faces):
            color = color[faces].mean(axis=1)
        elif color.shape != (len(faces), 3):
            raise ValueError(
                f"colours have shape {color.shape}; expected (3,), ({len(faces)}, 3) or a row a vertex"
            )
        points, corners = np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)
        return cls(points, corners, color, _corner_normals(points, corners, smooth))


def join(surfaces: Sequence[Surface]) -> tuple[Surface, Int[np.ndarray, " faces"]]:
    """One surface out of several, and for each of its faces the index of the surface it came from."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in surfaces)])
    joined = Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([s.faces + o for s, o in zip(surfaces, offsets, strict=False)]),
        np.concatenate([s.rgb for s in surfaces]),
        np.concatenate([s.shading for s in surfaces]),
    )
    return joined, np.repeat(np.arange(len(surfaces)), [len(s.faces) for s in surfaces])


def face_normals(surface: Surface) -> Float[np.ndarray, "faces 3"]:
    """Unit normals by winding; zero where a face has no area."""
    a, b, c = (surface.vertices[surface.faces[:, i]] for i in range(3))
    return unit(np.cross(b - a, c - a))


def _corner_normals(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"], smooth: bool
) -> Float[np.ndarray, "faces 3 3"]:
    """Angle-weighted vertex normal at each face corner, or the face's own normal at a crease."""
    corners = vertices[faces]
    ahead = np.roll(corners, -1, axis=1) - corners
    behind = np.roll(corners, 1, axis=1) - corners
    normal = np.cross(ahead[:, 0], behind[:, 0])
    sine = np.linalg.norm(np.cross(ahead, behind), axis=2)
    angle = np.arctan2(sine, np.einsum("fci,fci->fc", ahead, behind))
    flat = np.broadcast_to(unit(normal)[:, None, :], corners.shape)
    summed = np.stack(
        [
            np.bincount(faces.ravel(), (angle[:, :, None] * flat)[:, :, i].ravel(), len(vertices))
            for i in range(3)
        ],
        axis=1,
    )
    mean = unit(summed)[faces]
    if smooth:
        return mean
    near = np.einsum("fci,fci->fc", mean, flat) >= _CREASE
    return np.where(near[:, :, None], mean, flat)
