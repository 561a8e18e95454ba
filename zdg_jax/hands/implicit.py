"""Implicit solids (round cones, smooth union) and their meshing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import igl
import numpy as np
from jaxtyping import Float, Int


def cone_distance(
    points: Float[np.ndarray, "n 3"], a: Sequence[float], b: Sequence[float], ra: float, rb: float
) -> Float[np.ndarray, " n"]:
    """Signed distance to a tapered capsule, metres, positive outside.

    |p - (a + t (b - a))| - (ra + t (rb - ra)), t the clamped projection; exact where ra = rb and within
    (ra - rb)^2 / (2 |b - a|) otherwise.
    """
    pa, ba = points - np.asarray(a), np.subtract(b, a)
    t = np.clip(pa @ ba / (ba @ ba), 0.0, 1.0)
    return np.linalg.norm(pa - t[:, None] * ba, axis=1) - (ra + t * (rb - ra))


def smooth_min(d: Float[np.ndarray, "n k"], radius: float) -> Float[np.ndarray, " n"]:
    """Smooth union of k solids: -r/4 log sum exp(-4 d / r), never above the plain minimum."""
    m = d.min(axis=1)
    s = radius / 4.0
    return m - s * np.log(np.exp(-(d - m[:, None]) / s).sum(axis=1))


def mesh_implicit(
    distance: Callable[[np.ndarray], np.ndarray],
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    spacing: float,
    faces: int,
) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "triangles 3"]]:
    """Closed, outward-oriented mesh of {distance = 0} with about `faces` even triangles.

    Marching cubes on a grid of the given spacing, then shortest-edge collapse (even triangles, unlike
    quadric collapse, so that skin vertices sample the hand evenly), then projection onto the surface.
    """
    axes = [np.arange(lo, hi + spacing, spacing) for lo, hi in zip(low, high, strict=True)]
    # libigl wants x to run fastest.
    grid = np.stack(np.meshgrid(*axes[::-1], indexing="ij"), axis=-1)[..., ::-1]
    values = distance(grid.reshape(-1, 3)).reshape(grid.shape[:3])
    nz, ny, nx = grid.shape[:3]
    mesher: Any = igl  # its stubs are too narrow
    v, f = mesher.marching_cubes(values.ravel(), grid.reshape(-1, 3), nx, ny, nz, 0.0)[:2]
    v, f = mesher.decimate(v, f.astype(np.int32), int(faces))[:2]
    for _ in range(3):
        h = 1e-5
        grad = np.stack([(distance(v + h * e) - distance(v - h * e)) / (2 * h) for e in np.eye(3)], axis=1)
        step = distance(v)[:, None] * grad / np.maximum((grad**2).sum(axis=1, keepdims=True), 1e-9)
        # in a crease between solids the slope says little
        far = np.linalg.norm(step, axis=1, keepdims=True)
        v = v - step * np.minimum(1.0, 0.5 * spacing / np.maximum(far, 1e-12))
    if np.einsum("fi,fi->f", v[f[:, 0]], np.cross(v[f[:, 1]], v[f[:, 2]])).sum() < 0:
        f = f[:, ::-1]
    # libigl's indices are C long long, which numpy names differently from int64.
    return v, np.ascontiguousarray(f).astype(np.intp)
