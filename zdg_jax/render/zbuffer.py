"""First hits by plain numpy, for machines for which embreex has no wheel (DESIGN §8)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

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
