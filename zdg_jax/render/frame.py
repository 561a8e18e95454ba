"""Camera and the rendered frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
