"""What the renderer takes and gives: coloured surfaces, cameras, the views of an object, frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int, UInt8

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


# Camera, rendered frame, and the views from which an object is seen.
@dataclass(frozen=True)
class Camera:
    """Pinhole camera; x right, y down, z forward in the camera frame; pixel centres at +0.5.

    Attributes:
      p_world_cam: eye, metres.
      R_world_cam: columns are the camera's axes in the world.
      focal: focal length in pixels.
      width, height: pixels.
    """

    p_world_cam: Float[np.ndarray, "3"]
    R_world_cam: Float[np.ndarray, "3 3"]
    focal: float
    width: int
    height: int

    @property
    def front(self) -> Float[np.ndarray, "3"]:
        """Unit vector from the scene towards the camera (minus the viewing axis)."""
        return -self.R_world_cam[:, 2]

    def project(
        self, points: Float[np.ndarray, "n 3"]
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
        """World points to pixels (u right, v down) and depth z along the viewing axis."""
        p_cam = (points - self.p_world_cam) @ self.R_world_cam
        z = p_cam[:, 2]
        uv = self.focal * p_cam[:, :2] / z[:, None] + np.array([self.width / 2, self.height / 2])
        return uv, z

    def back_project(
        self, uv: Float[np.ndarray, "n 2"], depth: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n 3"]:
        """Pixels with depth z back to world points; inverse of `project`."""
        xy = (uv - np.array([self.width / 2, self.height / 2])) / self.focal
        p_cam = np.concatenate([xy, np.ones((len(uv), 1))], axis=1) * depth[:, None]
        return p_cam @ self.R_world_cam.T + self.p_world_cam


@dataclass(frozen=True)
class Frame:
    """One rendered picture and the buffers behind it; background: depth inf, face -1, normal 0."""

    camera: Camera
    rgb: UInt8[np.ndarray, "h w 3"]
    depth: Float[np.ndarray, "h w"]
    normal: Float[np.ndarray, "h w 3"]
    face: Int[np.ndarray, "h w"]

    @property
    def mask(self) -> Bool[np.ndarray, "h w"]:
        return self.face >= 0


SIZE = 512
_FOV = np.radians(30.0)
_LOW, _HIGH = np.radians(20.0), np.radians(48.0)


def look(
    points: Float[np.ndarray, "n 3"],
    front: Float[np.ndarray, "3"] | Sequence[float],
    *,
    size: int = SIZE,
    height: int | None = None,
    margin: float = 0.08,
    up: Sequence[float] = (0.0, 1.0, 0.0),
) -> Camera:
    """The nearest camera that looks along -front and holds all points, evenly centred.

    Args:
      points: what must be in the picture, world frame, metres.
      front: from the scene towards the camera; any length.
      size, height: width and height in pixels; square if no height is given.
      margin: share of the picture's half side left free.
      up: what points up in the picture; replaced by -z if (nearly) parallel to `front`.
    """
    rows = size if height is None else height
    z_axis = -np.asarray(front, dtype=np.float64) / np.linalg.norm(front)
    up_ = np.asarray(up, dtype=np.float64)
    if np.linalg.norm(np.cross(z_axis, up_)) < 1e-3 * np.linalg.norm(up_):
        up_ = np.array([0.0, 0.0, -1.0]) if abs(z_axis[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x_axis = np.cross(z_axis, up_)
    x_axis /= np.linalg.norm(x_axis)
    rotation = np.stack([x_axis, np.cross(z_axis, x_axis), z_axis], axis=1)
    focal = max(size, rows) / 2 / np.tan(_FOV / 2)
    q = points @ rotation
    offset, distance = np.zeros(2), -np.inf
    for axis, pixels in ((0, size), (1, rows)):
        # |q - offset| <= slope * (q_z + distance) for all points; both sides tight at the solution
        slope = pixels / 2 / focal * (1 - margin)
        high, low = (q[:, axis] - slope * q[:, 2]).max(), (q[:, axis] + slope * q[:, 2]).min()
        offset[axis] = (high + low) / 2
        distance = max(distance, (high - low) / 2 / slope)
    distance = max(distance, 1e-3 - q[:, 2].min())
    eye = rotation @ np.array([offset[0], offset[1], -distance])
    return Camera(p_world_cam=eye, R_world_cam=rotation, focal=float(focal), width=size, height=rows)


def side_views(mesh: trimesh.Trimesh, *, size: int = SIZE) -> tuple[Camera, Camera, Camera, Camera]:
    """Four cameras at 90 degrees of azimuth around +y, framed to the object (paper IV-B).

    The first looks across the object's longest horizontal direction. Elevation grows from 20 to 48
    degrees as the object gets flatter, so that things lying on a table show their face.
    """
    azimuth, elevation = _broadside(mesh), _elevation(mesh)
    views = []
    for quarter in range(4):
        a = azimuth + quarter * np.pi / 2
        front = [np.cos(elevation) * np.sin(a), np.sin(elevation), np.cos(elevation) * np.cos(a)]
        views.append(look(np.asarray(mesh.vertices), front, size=size))
    return views[0], views[1], views[2], views[3]


def _broadside(mesh: trimesh.Trimesh) -> float:
    """Azimuth (from +z towards +x) that faces the longest horizontal axis; 0 if there is none."""
    flat = mesh.triangles_center[:, [0, 2]]
    weight = mesh.area_faces / mesh.area_faces.sum()
    centered = flat - weight @ flat
    values, vectors = np.linalg.eigh((centered * weight[:, None]).T @ centered)
    if values[1] < 1.05 * values[0]:
        return 0.0
    x, z = vectors[:, 0]  # horizontal normal of the long axis
    if z < -1e-9 or (abs(z) <= 1e-9 and x < 0):
        x, z = -x, -z
    return float(np.arctan2(x, z))


def _elevation(mesh: trimesh.Trimesh) -> float:
    ratio = mesh.extents[1] / np.sqrt(mesh.extents[0] * mesh.extents[2])
    flatness = np.clip((0.9 - ratio) / 0.6, 0.0, 1.0)
    return float(_LOW + (_HIGH - _LOW) * flatness)


def visible_pixels(frame: Frame, face_part: Int[np.ndarray, " faces"]) -> dict[int, int]:
    """Pixels that each part number covers in a frame of that object alone; unseen parts are absent."""
    numbers, counts = np.unique(face_part[frame.face[frame.mask]], return_counts=True)
    return {int(n): int(c) for n, c in zip(numbers, counts, strict=True)}


def view_score(pixels: Mapping[int, int], wanted: Sequence[int] = ()) -> float:
    """How much a view shows: sum of sqrt(pixels) over the wanted parts (all of them if none named).

    The root prefers a view that shows every part a little over one that shows one part well.
    """
    return float(sum(np.sqrt(n) for part, n in pixels.items() if not wanted or part in wanted))


def best_view(views: Sequence[Mapping[int, int]], wanted: Sequence[int] = ()) -> int:
    """Index of the view with the highest `view_score`; the first of equals."""
    return int(np.argmax([view_score(v, wanted) for v in views]))
