"""Clean borders between parts: a minimum cut that prefers short lines and concave creases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, maximum_flow
from scipy.spatial import KDTree

from zdg_jax.objects.parts.descriptors import principal_axes

# The mesh as a graph of faces, for segmentation.
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


CREASE, STEP, WITHIN = 0.85, 1.34, 0.6
NECK = 1.5  # squared border length over the area of the smaller part
SHEET = 0.02  # of the diagonal: thinner walls count as this thick
MAX_ROUNDS = 20
CAPACITY = 1_000_000  # integer capacities are needed; prices are scaled to this


def clean_borders(
    graph: FaceGraph, label: Int[np.ndarray, " faces"], width: float
) -> Int[np.ndarray, " faces"]:
    """Move each border to the cheapest place within a band around it (Katz & Tal's fuzzy cut).

    For neighbouring parts a, b: min sum of `graph.cut_price` over the edges between them, where faces of
    the band may change sides and all others stay.

    Args:
      graph: of the mesh.
      label: part of each face.
      width: half-width of the band, metres; never more than half of a part's own depth.

    Returns:
      The new labels; no part disappears.
    """
    label = label.copy()
    a, b = label[graph.pairs].T
    borders = {(int(min(x, y)), int(max(x, y))) for x, y in zip(a, b, strict=True) if x != y}
    for low, high in sorted(borders):
        label = _cut(graph, label, low, high, width)
    return label


def absorb_slivers(
    graph: FaceGraph, label: Int[np.ndarray, " faces"], min_share: float, keep: Sequence[int] = ()
) -> Int[np.ndarray, " faces"]:
    """Give each connected scrap smaller than `min_share` of the surface to the neighbour it borders most.

    Those of the labels in `keep` stay. Scraps without a neighbour (loose scan crumbs) go to the nearest
    other piece in space.
    """
    label, alone = label.copy(), False
    centers, area = graph.mesh.triangles_center, graph.mesh.area_faces
    for _ in range(MAX_ROUNDS):
        piece = same_label_pieces(graph, label)
        size = np.bincount(piece, weights=area)
        stays = np.bincount(piece, weights=np.isin(label, keep)) > 0
        small = np.flatnonzero((size < min_share * area.sum()) & ~stays)
        if len(small) == 0 or len(small) == len(size):
            return label
        pa, pb = piece[graph.pairs].T
        across = pa != pb
        edges = np.concatenate([np.c_[pa, pb][across], np.c_[pb, pa][across]])
        price = np.concatenate([graph.cut_price[across]] * 2)
        large = ~np.isin(piece, small)
        tree = KDTree(centers[large])
        old = label.copy()
        for k in small:
            rows = (edges[:, 0] == k) & ~np.isin(edges[:, 1], small)
            mine = piece == k
            if rows.any():
                other, inverse = np.unique(edges[rows, 1], return_inverse=True)
                best = other[np.argmax(np.bincount(inverse, weights=price[rows]))]
                label[mine] = old[np.flatnonzero(piece == best)[0]]
            elif alone or not (edges[:, 0] == k).any():
                label[mine] = old[large][tree.query(centers[mine].mean(axis=0))[1]]
        alone = bool((label == old).all())  # what is left has only scraps around it
    return label


def one_piece_each(
    graph: FaceGraph, label: Int[np.ndarray, " faces"], first: int, own_share: float
) -> Int[np.ndarray, " faces"]:
    """Make the parts numbered `first` or higher connected.

    Pieces apart from the largest become parts of their own from `own_share` of the surface; smaller ones fall
    to whatever is nearest.
    """
    label = label.copy()
    area = graph.mesh.area_faces
    piece = same_label_pieces(graph, label)
    size = np.bincount(piece, weights=area) / area.sum()
    new = int(label.max()) + 1
    for part in np.unique(label[label >= first]):
        pieces = np.unique(piece[label == part])
        for k in pieces[np.argsort(-size[pieces], kind="stable")][1:]:
            label[piece == k] = new if size[k] >= own_share else -1
            new += size[k] >= own_share
    return graph.nearest_label(label)


def merge_without_reason(
    graph: FaceGraph, label: Int[np.ndarray, " faces"], thickness: Float[np.ndarray, " faces"], first: int
) -> Int[np.ndarray, " faces"]:
    """Join neighbours, both numbered `first` or higher, whose border has no reason a person would see.

    Parts that lie within each other (see `overlap`) are one. Otherwise the reasons are: the border follows a
    concave crease (mean `cut_price` over edge length below 0.85), or the
    median thicknesses differ by more than a third. Weakest reason first.

    Args:
      graph: of the mesh.
      label: part of each face.
      thickness: metres, NaN where unknown.
      first: parts with lower numbers are left alone.

    Returns:
      The new labels.
    """
    label = label.copy()
    area = graph.mesh.area_faces
    sheet = SHEET * float(np.linalg.norm(graph.mesh.extents))
    while True:
        weakest: tuple[float, int, int] | None = None
        pair = label[graph.pairs]
        across = (pair[:, 0] != pair[:, 1]) & (pair.min(axis=1) >= first)
        keys, inverse = np.unique(np.sort(pair[across], axis=1), axis=0, return_inverse=True)
        price = np.bincount(inverse.ravel(), weights=graph.cut_price[across])
        length = np.bincount(inverse.ravel(), weights=graph.edge_length[across])
        for (one, two), border, factor in zip(keys.tolist(), length, price / length, strict=True):
            t1, t2 = (float(np.hypot(np.nanmedian(thickness[label == k]), sheet)) for k in (one, two))
            ratio = max(t1, t2) / min(t1, t2)
            within = overlap(graph, label == one, label == two) > WITHIN
            # on thin noisy sheets creases are scan noise, unless the border is a neck
            small = min(float(area[label == k].sum()) for k in (one, two))
            crease = factor < CREASE and (max(t1, t2) > 1.5 * sheet or border**2 < NECK * small)
            reason = ratio > STEP or crease
            score = factor / ratio + 10 * within
            if (within or not reason) and (weakest is None or score > weakest[0]):
                weakest = (score, one, two)
        if weakest is None:
            return label
        label[label == weakest[2]] = weakest[1]


def overlap(graph: FaceGraph, one: Bool[np.ndarray, " faces"], two: Bool[np.ndarray, " faces"]) -> float:
    """How far two parts lie within each other: 0 = side by side, 1 = the smaller within the larger's box.

    On each principal axis of the two together, shared length over the shorter one's length (5th to 95th
    percentile); the least of the three.
    """
    centers, area = graph.mesh.triangles_center, graph.mesh.area_faces
    both = one | two
    axes = principal_axes(centers[both], area[both] / area[both].sum())
    a, b = (np.percentile(centers[part] @ axes, [5, 95], axis=0) for part in (one, two))
    shared = np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])
    return float((shared / np.maximum(np.minimum(a[1] - a[0], b[1] - b[0]), 1e-9)).min())


def same_label_pieces(graph: FaceGraph, label: Int[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
    """Connected piece of each face when borders between labels count as gaps."""
    same = label[graph.pairs[:, 0]] == label[graph.pairs[:, 1]]
    return connected_components(graph.weighted(same.astype(np.float64)), directed=False)[1]


def _cut(graph: FaceGraph, label: np.ndarray, low: int, high: int, width: float) -> np.ndarray:
    pair_label = label[graph.pairs]
    touching = (pair_label == [low, high]).all(axis=1) | (pair_label == [high, low]).all(axis=1)
    distance = graph.distance_to(np.unique(graph.pairs[touching]))
    mine = {part: label == part for part in (low, high)}
    band = np.zeros(len(label), dtype=bool)
    for faces in mine.values():
        reached = distance[faces & np.isfinite(distance)]
        if len(reached) == 0:
            return label
        band |= faces & (distance < min(width, 0.5 * float(reached.max())))
    both = mine[low] | mine[high]
    if not band.any():
        return label
    inside = both[graph.pairs].all(axis=1) & band[graph.pairs].any(axis=1)
    pairs, price = graph.pairs[inside], graph.cut_price[inside]
    # nodes: 0 = all fixed faces of `low`, 1 = all fixed faces of `high`, then the band
    node = np.where(mine[low], 0, 1)
    node[band] = 2 + np.arange(int(band.sum()))
    a, b = node[pairs].T
    loose = a != b
    a, b, price = a[loose], b[loose], price[loose]
    if not ((a < 2) | (b < 2)).any():
        return label
    capacity = np.maximum((price / price.max() * CAPACITY).astype(np.int32), 1)
    n = 2 + int(band.sum())
    flow_graph = coo_array((np.r_[capacity, capacity], (np.r_[a, b], np.r_[b, a])), shape=(n, n)).tocsr()
    flow_graph.sum_duplicates()
    flow = maximum_flow(flow_graph, 0, 1).flow
    residual = flow_graph - flow
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()

    reached = breadth_first_order(residual, 0, return_predecessors=False)
    side_low = np.zeros(n, dtype=bool)
    side_low[reached] = True
    label = label.copy()
    label[band] = np.where(side_low[node[band]], low, high)
    return label
