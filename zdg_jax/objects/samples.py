"""Evenly spread surface samples with outward normals (paper IV-A: 4096 points)."""

from __future__ import annotations

import numpy as np
import trimesh

from zdg_jax.objects.model import SurfaceSamples

OVERSAMPLE = 4


def sample_surface(mesh: trimesh.Trimesh, count: int = 4096, seed: int = 0) -> SurfaceSamples:
    """Draw area-uniform candidates, then keep `count` of them by farthest-point selection.

    The distance compared is |p - q|^2 + h^2 |n_p - n_q|^2 with h = sqrt(area / count), so that the
    two sides of a thin sheet are covered independently.

    Args:
      mesh: outward faces, metres.
      count: number of samples.
      seed: same seed, same samples.

    Returns:
      Points in metres, unit outward face normals, and the face of each sample.
    """
    points, faces = trimesh.sample.sample_surface(mesh, OVERSAMPLE * count, seed=seed)[:2]
    normals = mesh.face_normals[faces]
    spacing = np.sqrt(mesh.area / count)
    lifted = np.concatenate([points - points.mean(axis=0), spacing * normals], axis=1)
    keep = _farthest_points(np.ascontiguousarray(lifted.T, dtype=np.float32), count)
    return SurfaceSamples(
        points=np.asarray(points, dtype=np.float64)[keep],
        normals=np.asarray(normals, dtype=np.float64)[keep],
        faces=np.asarray(faces, dtype=np.int64)[keep],
    )


def _farthest_points(columns: np.ndarray, count: int) -> np.ndarray:
    """Indices of `count` points, each farthest from those before it; `columns` is [dim, points]."""
    chosen = np.zeros(count, dtype=np.int64)
    nearest = np.full(columns.shape[1], np.inf, dtype=np.float32)
    for step in range(1, count):
        delta = columns - columns[:, chosen[step - 1], None]
        np.minimum(nearest, np.einsum("dn,dn->n", delta, delta), out=nearest)
        chosen[step] = int(np.argmax(nearest))
    return chosen
