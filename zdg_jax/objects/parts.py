"""Geometric part segmentation of the whole mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from sklearn.cluster import AgglomerativeClustering

from zdg_jax.objects.thickness import shape_diameter


@dataclass(frozen=True)
class Segmentation:
    """Part of each face (0-based) and, per part, the diameter of its through-hole (0 if none)."""

    face_part: Int[np.ndarray, " faces"]
    hole_diameters: Float[np.ndarray, " parts"]
    thickness: Float[np.ndarray, " faces"]
    enclosure: Float[np.ndarray, " faces"]


def segment(mesh: trimesh.Trimesh) -> Segmentation:
    """Crude first version."""
    centers = mesh.triangles_center
    thickness = shape_diameter(mesh, centers, mesh.face_normals)
    thickness = np.where(np.isfinite(thickness), thickness, mesh.scale)
    n = len(mesh.faces)
    a, b = mesh.face_adjacency.T
    graph = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n)).tocsr()
    x = np.column_stack([(centers - centers.mean(axis=0)) / mesh.scale, 0.3 * np.log(thickness / mesh.scale)])
    label = AgglomerativeClustering(4, connectivity=graph).fit(x).labels_
    return Segmentation(label, np.zeros(4), thickness, np.zeros(n))
