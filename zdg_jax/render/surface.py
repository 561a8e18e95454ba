"""A coloured triangle mesh, as the renderer takes it, and the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int

from zdg_jax.objects.paint import BARE, Paint, joined, plain
from zdg_jax.pose import unit

NEUTRAL = BARE
_THROUGH = 0.35  # of an object's own colour, through the tint of a chosen part
_CREASE = 0.8  # cosine; a corner whose vertex normal leaves its face further than this stays sharp


@dataclass(frozen=True)
class Surface:
    """Triangles in the world frame, metres, outward winding.

    Attributes:
      rgb: one colour a face, 0..1.
      shading: unit normal at each corner of each face; pictures are lit by these.
      paint: the object's own colours; None where `rgb` is all there is.
      worn: share of `paint` over `rgb`, one a face.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    rgb: Float[np.ndarray, "faces 3"]
    shading: Float[np.ndarray, "faces 3 3"]
    paint: Paint | None = None
    worn: Float[np.ndarray, " faces"] | None = None

    def albedo(
        self, face: Int[np.ndarray, " n"], weight: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, "n 3"]:
        """Colours, 0..1, at places given by face and barycentric weights."""
        if self.paint is None or self.worn is None:
            return self.rgb[face]
        share = self.worn[face][:, None]
        return (1 - share) * self.rgb[face] + share * self.paint.at(face, weight)

    def face_colors(self) -> Float[np.ndarray, "faces 3"]:
        """One colour a face, that of its middle: for files that know no textures."""
        every = np.arange(len(self.faces))
        return self.albedo(every, np.full((len(every), 3), 1 / 3))

    @classmethod
    def painted(
        cls,
        mesh: trimesh.Trimesh,
        paint: Paint | None,
        rgb: Sequence[float] | Float[np.ndarray, "..."] = NEUTRAL,
        tint: Bool[np.ndarray, " faces"] | None = None,
    ) -> Surface:
        """A mesh in its own colours, faint under `rgb` where `tint` is set; in `rgb` if it has none."""
        whole = cls.of(mesh, rgb)
        worn = np.ones(len(whole.faces)) if tint is None else np.where(tint, _THROUGH, 1.0)
        return whole if paint is None else replace(whole, paint=paint, worn=worn)

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
    paint = worn = None
    if any(s.paint is not None for s in surfaces):
        paint = joined([s.paint or plain(len(s.faces)) for s in surfaces])
        worn = np.concatenate([np.zeros(len(s.faces)) if s.worn is None else s.worn for s in surfaces])
    whole = Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([s.faces + o for s, o in zip(surfaces, offsets, strict=False)]),
        np.concatenate([s.rgb for s in surfaces]),
        np.concatenate([s.shading for s in surfaces]),
        paint,
        worn,
    )
    return whole, np.repeat(np.arange(len(surfaces)), [len(s.faces) for s in surfaces])


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


SKIN = (0.90, 0.69, 0.56)
TARGET = (0.36, 0.62, 0.86)
THUMB = (0.30, 0.68, 0.42)
INDEX = (0.86, 0.30, 0.27)
INK = (28, 32, 38)

# Hues far apart for neighbours in number; readable over a grey object and under a white label.
_PARTS = (
    (0.89, 0.24, 0.22),
    (0.16, 0.47, 0.84),
    (0.20, 0.66, 0.33),
    (0.97, 0.66, 0.12),
    (0.58, 0.32, 0.76),
    (0.08, 0.70, 0.72),
    (0.91, 0.38, 0.65),
    (0.55, 0.42, 0.30),
    (0.62, 0.71, 0.14),
    (0.38, 0.42, 0.50),
)


def part_color(number: int) -> tuple[float, float, float]:
    """Colour of a part by its number, from 1; repeats after ten."""
    return _PARTS[(number - 1) % len(_PARTS)]


def tinted(
    chosen: Bool[np.ndarray, " faces"],
    color: tuple[float, float, float] = TARGET,
    base: tuple[float, float, float] = NEUTRAL,
) -> Float[np.ndarray, "faces 3"]:
    """Face colours: `color` where chosen, `base` elsewhere."""
    return np.where(chosen[:, None], np.array(color), np.array(base))


def parted(
    face_part: Int[np.ndarray, " faces"], chosen: Sequence[int] | Int[np.ndarray, " k"]
) -> Float[np.ndarray, "faces 3"]:
    """Face colours: each chosen part in that of its number, as in the numbered pictures; the rest neutral."""
    rgb = np.tile(np.array(NEUTRAL), (len(face_part), 1))
    for number in chosen:
        rgb[face_part == number] = part_color(int(number))
    return rgb


def byte(color: tuple[float, float, float]) -> tuple[int, int, int]:
    """0..1 to 0..255."""
    return round(color[0] * 255), round(color[1] * 255), round(color[2] * 255)
