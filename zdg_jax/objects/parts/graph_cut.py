"""Clean borders between parts: a minimum cut that prefers short lines and concave creases."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow
from scipy.spatial import KDTree

from zdg_jax.objects.parts.descriptors import principal_axes
from zdg_jax.objects.parts.face_graph import FaceGraph

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
    graph: FaceGraph, label: Int[np.ndarray, " faces"], min_share: float
) -> Int[np.ndarray, " faces"]:
    """Give each connected scrap smaller than `min_share` of the surface to the neighbour it borders most.

    Scraps without a neighbour (loose scan crumbs) go to the nearest other piece in space.
    """
    label, alone = label.copy(), False
    centers, area = graph.mesh.triangles_center, graph.mesh.area_faces
    for _ in range(MAX_ROUNDS):
        piece = same_label_pieces(graph, label)
        size = np.bincount(piece, weights=area)
        small = np.flatnonzero(size < min_share * area.sum())
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
