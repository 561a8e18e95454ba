"""The mesh as a graph of faces, for segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import KDTree

CONCAVE_CUT = 0.1  # price of a border along a sharp concave crease, relative to a flat place


@dataclass(frozen=True)
class FaceGraph:
    """Neighbouring faces and what lies between them.

    Attributes:
      mesh: the mesh.
      pairs: neighbouring faces, one row an inner edge.
      length: distance between the two centres over the shared edge, metres.
      edge_length: length of the shared edge, metres.
      cut_price: cost of a part border along the edge, metres: its length, less where the edge is concave.
    """

    mesh: trimesh.Trimesh
    pairs: Int[np.ndarray, "pairs 2"]
    length: Float[np.ndarray, " pairs"]
    edge_length: Float[np.ndarray, " pairs"]
    cut_price: Float[np.ndarray, " pairs"]

    def weighted(self, weight: Float[np.ndarray, " pairs"]) -> csr_array:
        """Symmetric sparse matrix of a weight on the pairs; pairs of weight 0 are no neighbours."""
        keep = weight > 0  # scipy's graph routines count stored zeros as edges
        a, b = self.pairs[keep].T
        weight, n = weight[keep], len(self.mesh.faces)
        data = (np.r_[weight, weight], (np.r_[a, b], np.r_[b, a]))
        return coo_array(data, shape=(n, n)).tocsr()

    def pieces(self, mask: Bool[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
        """Connected piece of each face within `mask`; -1 outside."""
        inner = mask[self.pairs].all(axis=1)
        _, label = connected_components(self.weighted(np.where(inner, 1.0, 0.0)), directed=False)
        return np.where(mask, label, -1)

    def nearest_label(self, seed: Int[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
        """Spread labels >= 0 over the surface to the unlabelled faces (-1), nearest first."""
        source = np.flatnonzero(seed >= 0)
        _, _, origin = dijkstra(
            self.weighted(self.length),
            directed=False,
            indices=source,
            min_only=True,
            return_predecessors=True,
        )
        label = np.where(origin >= 0, seed[np.maximum(origin, 0)], -1)
        lost = label < 0  # pieces that no seed touches: take the nearest label through space
        if lost.any():
            centers = self.mesh.triangles_center
            _, index = KDTree(centers[~lost]).query(centers[lost])
            label[lost] = label[~lost][index]
        return label

    def distance_to(self, faces: Int[np.ndarray, " n"]) -> Float[np.ndarray, " faces"]:
        """Distance over the surface to the nearest of `faces`, metres."""
        if len(faces) == 0:
            return np.full(len(self.mesh.faces), np.inf)
        result = dijkstra(self.weighted(self.length), directed=False, indices=faces, min_only=True)
        return np.asarray(result)


def build_face_graph(mesh: trimesh.Trimesh) -> FaceGraph:
    """Neighbourhood of all faces, with concavity read off smoothed normals."""
    pairs = np.asarray(mesh.face_adjacency)
    edge = mesh.vertices[mesh.face_adjacency_edges]
    middle = edge.mean(axis=1)
    centers = mesh.triangles_center
    length = np.linalg.norm(centers[pairs[:, 0]] - middle, axis=1) + np.linalg.norm(
        centers[pairs[:, 1]] - middle, axis=1
    )
    edge_length = np.linalg.norm(edge[:, 1] - edge[:, 0], axis=1)
    normals = smooth_normals(mesh, pairs)
    between = centers[pairs[:, 1]] - centers[pairs[:, 0]]
    n0, n1 = normals[pairs[:, 0]], normals[pairs[:, 1]]
    concave = np.einsum("nd,nd->n", n0 - n1, between) > 0
    bend = np.arccos(np.clip(np.einsum("nd,nd->n", n0, n1), -1, 1)) / np.maximum(length, 1e-9)
    # a crease counts by its curvature against the object's size: one turn of 1 rad in 5 % of the diagonal
    sharp = np.clip(bend * 0.05 * float(np.linalg.norm(mesh.extents)), 0, 3)
    factor = np.where(concave, np.maximum(np.exp(-1.5 * sharp), CONCAVE_CUT), 1.0)
    return FaceGraph(mesh, pairs, np.maximum(length, 1e-9), edge_length, edge_length * factor)


def smooth_normals(
    mesh: trimesh.Trimesh, pairs: Int[np.ndarray, "pairs 2"], rounds: int = 3
) -> Float[np.ndarray, "faces 3"]:
    """Area-weighted face normals averaged `rounds` times over neighbours: scan noise taken out."""
    a, b = pairs.T
    n = len(mesh.faces)
    ones = np.ones(len(a))
    matrix = coo_array((np.r_[ones, ones], (np.r_[a, b], np.r_[b, a])), shape=(n, n)).tocsr()
    matrix = matrix + coo_array((np.ones(n), (np.arange(n), np.arange(n))), shape=(n, n)).tocsr()
    area = mesh.area_faces[:, None] + 1e-15
    normals = np.array(mesh.face_normals)
    for _ in range(rounds):
        normals = matrix @ (normals * area)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)
    return normals
