"""Per-sample geometric features for the 2D-to-3D lifting of regions (paper III-A)."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Float
from scipy.spatial import KDTree

from zdg_jax.objects.model import SurfaceSamples

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
