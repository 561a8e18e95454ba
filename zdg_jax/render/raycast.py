"""Headless rendering by ray casting: depth, face, normal and shaded colour (DESIGN §8)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from zdg_jax.render import zbuffer
from zdg_jax.render.frame import Camera, Frame
from zdg_jax.render.shade import shade
from zdg_jax.render.surface import Surface, face_normals, join

try:
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene
except ImportError:  # no wheel for this platform
    EmbreeScene = TriangleMesh = None

Backend = Literal["auto", "embree", "numpy"]


def render(
    surfaces: Surface | Sequence[Surface],
    camera: Camera,
    *,
    supersample: int = 2,
    backend: Backend = "auto",
) -> Frame:
    """Render surfaces as seen by a camera.

    Depth is z along the viewing axis of the point that the ray through the pixel's centre hits, so
    that `camera.back_project(uv at pixel centres, depth)` is that point. Normals are those of the
    faces, outward by winding, in the world frame. Face numbers count through the surfaces in order.

    Args:
      surfaces: one or more coloured meshes, world frame, metres.
      camera: where from; must stand outside of the surfaces.
      supersample: colour samples a pixel side; the other buffers always hold one sample a pixel.
      backend: "embree", "numpy" (slower, same result), or "auto": embree where it is installed.

    Returns:
      A `Frame`; background has depth inf, face -1 and normal 0.

    Raises:
      ValueError: if embree is asked for and not installed.
    """
    whole, source = join([surfaces] if isinstance(surfaces, Surface) else surfaces)
    p_cam = (whole.vertices - camera.p_world_cam) @ camera.R_world_cam
    fine = scaled(camera, supersample)
    face, fine_face = _cast(p_cam, whole.faces, [camera, fine], backend)

    rows, cols, z, _ = intersect(p_cam, whole.faces, face, camera)
    depth = np.full(face.shape, np.inf)
    depth[rows, cols] = z
    normal = np.zeros((*face.shape, 3))
    normal[rows, cols] = face_normals(whole)[face[rows, cols]]

    rows, cols, z, weight = intersect(p_cam, whole.faces, fine_face, fine)
    rgb = shade(whole, source, fine, supersample, fine_face, rows, cols, z, weight)
    return Frame(camera=camera, rgb=rgb, depth=depth, normal=normal, face=face)


def scaled(camera: Camera, factor: int) -> Camera:
    """The same view with `factor` times the pixels along each side."""
    return dataclasses.replace(
        camera, focal=camera.focal * factor, width=camera.width * factor, height=camera.height * factor
    )


def intersect(
    p_cam: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    face: Int[np.ndarray, "h w"],
    camera: Camera,
) -> tuple[
    Int[np.ndarray, " hits"],
    Int[np.ndarray, " hits"],
    Float[np.ndarray, " hits"],
    Float[np.ndarray, "hits 3"],
]:
    """Rows, columns, depth and barycentric weights of the pixels that hit a face.

    With e_i = v_j x v_k over a face's corners and the ray d = (x, y, 1): w_i = d . e_i over their
    sum, z = sum w_i z_i. Computed in double precision from the face number alone, so that both
    backends give one depth; a ray that rounding put just outside its face is put on its edge.
    """
    rows, cols = np.nonzero(face >= 0)
    hit = face[rows, cols]
    a, b, c = (p_cam[faces[:, i]] for i in range(3))
    edges = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    x = (cols + 0.5 - camera.width / 2) / camera.focal
    y = (rows + 0.5 - camera.height / 2) / camera.focal
    e = edges[hit]
    w = e[:, :, 0] * x[:, None] + e[:, :, 1] * y[:, None] + e[:, :, 2]
    total = w.sum(axis=1, keepdims=True)
    w = np.divide(w, total, out=np.full_like(w, 1 / 3), where=total != 0)
    np.clip(w, 0.0, 1.0, out=w)
    w /= w.sum(axis=1, keepdims=True)
    z = np.stack([a[:, 2], b[:, 2], c[:, 2]], axis=1)[hit]
    return rows, cols, np.einsum("nc,nc->n", w, z), w


def _cast(
    p_cam: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    cameras: Sequence[Camera],
    backend: Backend,
) -> list[Int[np.ndarray, "_h _w"]]:
    """First face behind each pixel centre, for cameras that differ only in resolution."""
    if backend == "numpy" or (backend == "auto" and EmbreeScene is None):
        return [zbuffer.first_hits(p_cam, faces, c.focal, c.width, c.height) for c in cameras]
    if EmbreeScene is None or TriangleMesh is None:
        raise ValueError('backend "embree" is not installed; expected "numpy" or "auto"')
    scene = EmbreeScene(robust=True)
    # Embree works in single precision: eye at 0 and sizes near 1 keep its rounding below a pixel.
    unit = np.abs(p_cam[:, 2]).mean()
    TriangleMesh(scene, (p_cam / unit).astype(np.float32), faces.astype(np.int32))
    out = []
    for camera in cameras:
        size = np.array([camera.width, camera.height])
        low, high = np.zeros(2, dtype=int), size
        if (p_cam[:, 2] > 0).all():  # rays only where the surfaces can be
            uv = camera.focal * p_cam[:, :2] / p_cam[:, 2:] + size / 2
            low = np.clip(np.floor(uv.min(axis=0)), 0, size).astype(int)
            high = np.clip(np.ceil(uv.max(axis=0)) + 1, 0, size).astype(int)
        ids = np.full((camera.height, camera.width), -1, dtype=np.int64)
        if (high > low).all():
            x, y = (
                ((np.arange(lo, hi) + 0.5 - n / 2) / camera.focal).astype(np.float32)
                for lo, hi, n in zip(low, high, size, strict=True)
            )
            rays = np.ones((len(y), len(x), 3), dtype=np.float32)
            rays[:, :, 0], rays[:, :, 1] = x[None, :], y[:, None]
            found = scene.run(
                np.zeros((rays.size // 3, 3), np.float32), rays.reshape(-1, 3), query="INTERSECT"
            )
            ids[low[1] : high[1], low[0] : high[0]] = found.reshape(rays.shape[:2])
        out.append(ids)
    return out
