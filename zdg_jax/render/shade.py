"""Shading: soft ambient, key light and headlight, creases and outlines on a light background."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy import ndimage

from zdg_jax.pose import unit
from zdg_jax.render.frame import Camera
from zdg_jax.render.surface import Surface

# Camera frame: x right, y down, z forward. Vectors point to the light.
_KEY = (np.array([-0.42, -0.62, -0.66]) / np.linalg.norm([-0.42, -0.62, -0.66])).astype(np.float32)
_TOP, _BOTTOM = np.array([0.975, 0.978, 0.982]), np.array([0.895, 0.903, 0.915])


def shade(
    surface: Surface,
    source: Int[np.ndarray, " faces"],
    camera: Camera,
    supersample: int,
    face: Int[np.ndarray, "fine_h fine_w"],
    rows: Int[np.ndarray, " hits"],
    cols: Int[np.ndarray, " hits"],
    z: Float[np.ndarray, " hits"],
    weight: Float[np.ndarray, "hits 3"],
) -> UInt8[np.ndarray, "h w 3"]:
    """Colour of a picture whose hits are known, box-filtered down by `supersample`.

    colour = albedo * (ambient + hemisphere + key + headlight) * crease * outline + highlight, two-sided.

    Args:
      surface: what was hit.
      source: for each face the index of the surface it came from; outlines part different ones.
      camera: the camera at the fine resolution.
      supersample: fine pixels a final pixel's side.
      face: face behind each fine pixel, -1 for background.
      rows, cols: the pixels that hit something.
      z, weight: their depth in metres and barycentric weights.
    """
    ramp = np.linspace(0.0, 1.0, camera.height)[:, None, None]
    image = np.broadcast_to((_TOP * (1 - ramp) + _BOTTOM * ramp).astype(np.float32), (*face.shape, 3)).copy()
    if len(rows):
        hit = face[rows, cols]
        in_camera = (surface.shading @ camera.R_world_cam).astype(np.float32)
        n = np.einsum("nc,nci->ni", weight.astype(np.float32), in_camera[hit])
        to_eye = np.empty_like(n)
        to_eye[:, 0] = (camera.width / 2 - 0.5 - cols) / camera.focal
        to_eye[:, 1] = (camera.height / 2 - 0.5 - rows) / camera.focal
        to_eye[:, 2] = -1.0
        light, shine = _light(unit(n), unit(to_eye), -camera.R_world_cam[1].astype(np.float32))

        box = (slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1))
        depth = np.full(face.shape, np.inf, dtype=np.float32)
        depth[rows, cols] = z
        tone = np.ones(face.shape, dtype=np.float32)
        owner = np.where(face[box] >= 0, source[face[box]], -1)
        tone[box] = _crease(depth[box], max(face.shape) / 110) * _outline(depth[box], owner)
        image[rows, cols] = (
            surface.rgb.astype(np.float32)[hit] * (light * tone[rows, cols])[:, None] + shine[:, None]
        )
    s = supersample
    image = np.sum([image[i::s, j::s] for i in range(s) for j in range(s)], axis=0) / s**2
    return np.rint(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)


def _light(
    n: Float[np.ndarray, "hits 3"], to_eye: Float[np.ndarray, "hits 3"], down: Float[np.ndarray, "3"]
) -> tuple[Float[np.ndarray, " hits"], Float[np.ndarray, " hits"]]:
    """Diffuse and specular light on unit normals in the camera frame; a back side is lit like a front."""
    facing = np.einsum("ni,ni->n", n, to_eye)
    n = np.where(facing[:, None] < 0, -n, n)
    diffuse = 0.50 - 0.07 * (n @ down) + 0.33 * np.maximum(n @ _KEY, 0.0) + 0.25 * np.abs(facing)
    return diffuse, 0.10 * np.maximum(np.einsum("ni,ni->n", n, unit(to_eye + _KEY)), 0.0) ** 40


def _crease(depth: Float[np.ndarray, "h w"], sigma: float) -> Float[np.ndarray, "h w"]:
    """Darken what lies behind its surroundings (depth unsharp masking), so that contact is visible."""
    hit = np.isfinite(depth)
    near, far = depth[hit].min(), depth[hit].max()
    filled = np.where(hit, depth, far)
    behind = filled - ndimage.gaussian_filter(filled, sigma, truncate=2.5)
    return 1.0 - np.clip(4.0 * behind / max(far - near, 1e-9), 0.0, 0.45)


def _outline(depth: Float[np.ndarray, "h w"], owner: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Dark rims where a surface ends in front of another or of the background."""
    hit = np.isfinite(depth)
    jump = max(0.03 * np.ptp(depth[hit]), 1e-6)
    filled = np.pad(np.where(hit, depth, 2 * depth[hit].max()), 1, mode="edge")
    owner = np.pad(owner, 1, mode="edge")
    here, mine = filled[1:-1, 1:-1], owner[1:-1, 1:-1]
    rim = np.zeros(depth.shape, dtype=bool)
    for r, c in ((0, 1), (2, 1), (1, 0), (1, 2)):
        there = filled[r : r + depth.shape[0], c : c + depth.shape[1]]
        theirs = owner[r : r + depth.shape[0], c : c + depth.shape[1]]
        rim |= (there - here > jump) | ((theirs != mine) & (there > here))
    return np.where(rim, np.float32(0.55), np.float32(1.0))
