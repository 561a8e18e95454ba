"""Evenly spread surface samples with outward normals (paper IV-A: 4096 points), and their features."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Float
from scipy.spatial import KDTree

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


NEIGHBOURS = (24, 96)
WEIGHTS = {"position": 2.0, "normal": 0.5, "thickness": 1.0, "shape": 0.5}


def sample_features(
    mesh: trimesh.Trimesh, samples: SurfaceSamples, thickness: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, "samples features"]:
    """Geometry that tells regions of one object apart; stands in for PartField's learnt features.

    The paper classifies points by PartField [35] features. Ours are [2 (p - c) / r, n / 2,
    log(thickness / median) clipped to +-2, and at two neighbourhood sizes half of (linearity, planarity,
    scattering, bend)], with c the box centre, r half the box diagonal; all entries are of order 1, so that
    K-means and KNN may use plain Euclidean distance. They know nothing of the segmentation.

    Args:
      mesh: gives box centre and size.
      samples: points, normals.
      thickness: shape diameter of each sample, metres.

    Returns:
      One row a sample, 15 columns, dimensionless.
    """
    points, normals = samples.points, samples.normals
    position = (points - mesh.bounds.mean(axis=0)) / (0.5 * np.linalg.norm(mesh.extents))
    finite = np.isfinite(thickness)
    middle = float(np.median(thickness[finite])) if finite.any() else 1.0
    ratio = np.where(finite, thickness, middle) / middle
    columns = [
        WEIGHTS["position"] * position,
        WEIGHTS["normal"] * normals,
        WEIGHTS["thickness"] * np.clip(np.log(np.maximum(ratio, 1e-6)), -2, 2)[:, None],
    ]
    tree = KDTree(points)
    for k in NEIGHBOURS:
        columns.append(WEIGHTS["shape"] * _local_shape(points, normals, tree, min(k, len(points))))
    return np.concatenate(columns, axis=1)


def _local_shape(points: np.ndarray, normals: np.ndarray, tree: KDTree, k: int) -> np.ndarray:
    """(linearity, planarity, scattering, bend) of the k nearest samples; bend > 0 where convex."""
    radius, index = tree.query(points, k=k)
    around = points[index] - points[index].mean(axis=1, keepdims=True)
    moments = np.einsum("nki,nkj->nij", around, around) / k
    values = np.maximum(np.linalg.eigvalsh(moments)[:, ::-1], 0)
    l0, l1, l2 = np.sqrt(values + 1e-18).T
    offset = points[index] - points[:, None]
    height = np.einsum("nki,ni->nk", offset, normals).mean(axis=1)
    bend = np.clip(-4 * height / (radius[:, -1] + 1e-12), -1, 1)
    return np.column_stack([(l0 - l1) / l0, (l1 - l2) / l0, l2 / l0, bend])
