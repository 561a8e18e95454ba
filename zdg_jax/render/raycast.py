"""Pictures of surfaces: first hits by embree, elsewhere by a numpy z-buffer, and shading."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy import ndimage

from zdg_jax.pose import unit
from zdg_jax.render.scene import Camera, Frame, Surface, face_normals, join

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
    shaded: bool = True,
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
      shaded: False leaves the colours black: everything else is the same, in a third of the time.

    Returns:
      A `Frame`; background has depth inf, face -1 and normal 0.

    Raises:
      ValueError: if embree is asked for and not installed.
    """
    whole, source = join([surfaces] if isinstance(surfaces, Surface) else surfaces)
    p_cam = (whole.vertices - camera.p_world_cam) @ camera.R_world_cam
    fine = scaled(camera, supersample)
    face, *finer = _cast(p_cam, whole.faces, [camera, fine] if shaded else [camera], backend)

    rows, cols, z, _ = intersect(p_cam, whole.faces, face, camera)
    depth = np.full(face.shape, np.inf)
    depth[rows, cols] = z
    normal = np.zeros((*face.shape, 3))
    normal[rows, cols] = face_normals(whole)[face[rows, cols]]

    if not finer:
        rgb = np.zeros((*face.shape, 3), np.uint8)
        return Frame(camera=camera, rgb=rgb, depth=depth, normal=normal, face=face)
    (fine_face,) = finer
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
        return [first_hits(p_cam, faces, c.focal, c.width, c.height) for c in cameras]
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


_CHUNK = 2_000_000  # pixel-triangle pairs held at once; about 200 MB


def first_hits(
    p_cam: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    focal: float,
    width: int,
    height: int,
) -> Int[np.ndarray, "h w"]:
    """Nearest face behind every pixel centre, -1 for background.

    With e_i = v_j x v_k over the corners of a face, the ray d = (x, y, 1) hits it where all
    w_i = d . e_i have one sign, at depth z = v_0 . e_0 / (w_0 + w_1 + w_2).

    Args:
      p_cam: vertices in the camera frame (z forward), metres. Faces that reach behind the eye are
        not drawn: cameras stand outside of what they look at.
      faces: vertex indices.
      focal, width, height: the camera's, in pixels.
    """
    tri = p_cam[faces]
    ahead = np.flatnonzero((tri[:, :, 2] > 0).all(axis=1))
    tri = tri[ahead]
    edges = np.stack(
        [np.cross(tri[:, 1], tri[:, 2]), np.cross(tri[:, 2], tri[:, 0]), np.cross(tri[:, 0], tri[:, 1])], 1
    )
    det = np.einsum("fi,fi->f", tri[:, 0], edges[:, 0])
    size = np.array([width, height])
    uv = focal * tri[:, :, :2] / tri[:, :, 2:] + size / 2
    low = np.clip(np.ceil(uv.min(axis=1) - 0.5), 0, size).astype(np.int64)
    span = np.clip(np.floor(uv.max(axis=1) - 0.5).astype(np.int64) + 1, 0, size) - low
    pairs = np.where((span > 0).all(axis=1), span[:, 0] * span[:, 1], 0)

    depth = np.full(height * width, np.inf)
    hit = np.full(height * width, -1, dtype=np.int64)
    chunks = np.split(np.arange(len(tri)), np.flatnonzero(np.diff(np.cumsum(pairs) // _CHUNK)) + 1)
    for chunk in chunks:
        face = np.repeat(chunk, pairs[chunk])
        k = np.arange(len(face)) - np.repeat(np.cumsum(pairs[chunk]) - pairs[chunk], pairs[chunk])
        px = low[face] + np.stack([k % span[face, 0], k // span[face, 0]], axis=1)
        ray = np.concatenate([(px + 0.5 - size / 2) / focal, np.ones((len(px), 1))], axis=1)
        w = np.einsum("pci,pi->pc", edges[face], ray)
        total = w.sum(axis=1)
        inside = ((w >= 0).all(axis=1) | (w <= 0).all(axis=1)) & (total != 0)
        face, pixel, z = (
            face[inside],
            (px[:, 1] * width + px[:, 0])[inside],
            (det[face] / np.where(total, total, 1))[inside],
        )
        order = np.lexsort((face, z, pixel))
        pixel, first = np.unique(pixel[order], return_index=True)
        face, z = face[order][first], z[order][first]
        nearer = z < depth[pixel]
        depth[pixel[nearer]], hit[pixel[nearer]] = z[nearer], ahead[face[nearer]]
    return hit.reshape(height, width)


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
            surface.albedo(hit, weight).astype(np.float32) * (light * tone[rows, cols])[:, None]
            + shine[:, None]
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
