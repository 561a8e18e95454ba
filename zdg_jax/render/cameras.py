"""Camera, rendered frame, and the views from which an object is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int, UInt8


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
