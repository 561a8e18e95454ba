"""Geometric part segmentation of the whole mesh into 2 to 8 parts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from zdg_jax.objects.parts.barrel import with_barrel
from zdg_jax.objects.parts.cavity import enclosure, find_cavity, rim_band, without_handle
from zdg_jax.objects.parts.descriptors import principal_axes, weighted_median
from zdg_jax.objects.parts.graph_cut import (
    FaceGraph,
    absorb_slivers,
    build_face_graph,
    clean_borders,
    merge_without_reason,
    one_piece_each,
    smooth_normals,
)
from zdg_jax.objects.parts.handle_end import handle_end, waist, with_arm
from zdg_jax.objects.parts.through_holes import find_loops
from zdg_jax.objects.parts.visibility import SolidField, inner_points, shape_diameter, sight_affinity
from zdg_jax.objects.samples import sample_surface

MAX_PARTS, MAX_LOOPS = 8, 4
PLACES = 800  # surface samples among which lines of sight are drawn
NCUT_LIMIT = 0.76
_ONE_LIMIT = threading.Lock()  # BLAS limits that overlap would be put back in the wrong order
MIN_PLACES, MIN_AREA = 0.03, 0.02  # smallest part, as a share of the places and of the surface
OWN_AREA = 0.05  # a detached piece so large is a part of its own
BAND = 0.03  # of the diagonal: how far a border may move to a better place
# a part less than so much in a handle's end, and so much of that end, is cut there; a second one beside it
PURE, OVERLAP, BESIDE = 0.75, 0.2, 0.1
ONE_PIECE = 0.8  # so much of an end hangs together: it is one bar
LONG, DOMINANT = 2.5, 0.9  # a part so long and large is cut into middle and ends


@dataclass(frozen=True)
class Segmentation:
    """Result of `segment`.

    Attributes:
      face_part: part of each face, 0 = the largest.
      hole_diameters: of each part's through-hole, metres; 0 if it has none.
      concave: whether each part is the inside of a cavity.
      thickness: shape diameter of each face, metres.
    """

    face_part: Int[np.ndarray, " faces"]
    hole_diameters: Float[np.ndarray, " parts"]
    concave: Bool[np.ndarray, " parts"]
    thickness: Float[np.ndarray, " faces"]


def segment(mesh: trimesh.Trimesh) -> Segmentation:
    """Part the surface as a person would name it, from geometry alone.

    In this order: loops around through-holes (`loops`); the inside of vessels (`cavity`); the rest by
    normalised cuts of the affinity "sees each other through the solid, is as thick and runs the same way"
    (`sight`, `ncut`). Plates, long convex bodies and lumps have rules of their own (`simple_parts`).
    Borders then move to concave creases by minimum cuts (`borders`). The same mesh always gives the same
    parts.

    Args:
      mesh: checked, metres, +y up, outward faces.

    Returns:
      2 to 8 parts in order of descending area.
    """
    graph = build_face_graph(mesh)
    normals = smooth_normals(mesh, graph.pairs)
    diagonal = float(np.linalg.norm(mesh.extents))
    thickness = np.minimum(shape_diameter(mesh, mesh.triangles_center, normals), diagonal)
    label = np.full(len(mesh.faces), -1)
    holes: dict[int, float] = {}
    loops = find_loops(graph)[:MAX_LOOPS]
    for index, loop in enumerate(loops):
        label[loop.faces] = index
        holes[index] = loop.diameter
    # on a suitcase a carry handle is less than any scrap
    within = [index for index, loop in enumerate(loops) if loop.within]
    end = handle_end(mesh)
    enclosed = enclosure(mesh, normals)
    cavity = find_cavity(graph, normals, thickness, enclosed, label >= 0)
    cavity = without_handle(graph, enclosed, cavity, end)
    inside = len(holes) if cavity.any() else -1
    label[cavity] = len(holes)
    dish = dish_parts(graph, normals, thickness) if not holes and inside < 0 else None
    if dish is not None and not end.any():  # a dustpan is as flat and round as many a plate
        label = dish
    else:
        label = _by_sight(graph, normals, label, cavity)
        if inside >= 0 and not holes:  # without a handle, the rim is a place to hold
            rim = rim_band(graph, label == inside, 0.35 * np.sqrt(mesh.area_faces[cavity].sum() / np.pi) / 2)
            label[rim] = label.max() + 1
        label = clean_borders(graph, label, BAND * diagonal)
        label = absorb_slivers(graph, label, MIN_AREA, within)
        if not holes and inside < 0:
            label = with_barrel(mesh, normals, label)
        label = _with_reserve(mesh, normals, label)
        label = with_handle_end(mesh, label, end, keep=[*holes, inside])
        label = with_waist(mesh, label, keep=[*holes, inside])
        if inside < 0:
            label = with_arm(mesh, label)
    share = MIN_AREA
    label = absorb_slivers(graph, label, share, within)
    while len(np.unique(label)) > MAX_PARTS:
        share *= 1.25
        label = absorb_slivers(graph, label, share, within)
    return _ordered(mesh, label, holes, inside, thickness)


def _by_sight(
    graph: FaceGraph,
    normals: Float[np.ndarray, "faces 3"],
    label: Int[np.ndarray, " faces"],
    cavity: Bool[np.ndarray, " faces"],
) -> Int[np.ndarray, " faces"]:
    """Label the faces that have none yet (-1)."""
    mesh = graph.mesh
    first = int(label.max()) + 1
    share = float(mesh.area_faces[label < 0].sum() / mesh.area_faces.sum())
    if share < MIN_AREA:
        return graph.nearest_label(label)
    places = sample_surface(mesh, int(PLACES / max(share, 0.2)), seed=0)
    free = label[places.faces] < 0
    diagonal = float(np.linalg.norm(mesh.extents))
    field = SolidField(mesh, cavity)
    inner, size = inner_points(mesh, field, places.points[free], normals[places.faces[free]])
    affinity = sight_affinity(field, inner, size, diagonal, vessel=bool(cavity.any()))
    cut = recursive_ncut(affinity, MAX_PARTS - 1 - first, NCUT_LIMIT, MIN_PLACES / max(share, 0.2))
    seed = np.where(label >= 0, label, -1)
    seed[places.faces[free]] = first + cut
    full = graph.nearest_label(seed)
    full = clean_borders(graph, one_piece_each(graph, full, first, OWN_AREA), BAND * diagonal)
    thickness = np.full(len(label), np.nan)
    thickness[places.faces[free]] = size
    return merge_without_reason(graph, full, thickness, first)


def _with_reserve(
    mesh: trimesh.Trimesh, normals: Float[np.ndarray, "faces 3"], label: Int[np.ndarray, " faces"]
) -> Int[np.ndarray, " faces"]:
    """Cut one dominant long part into middle and ends, one lump into side, top and bottom."""
    values, counts = np.unique(label, return_inverse=True)[0], np.bincount(label, weights=mesh.area_faces)
    largest = int(np.argmax(counts))
    if counts[largest] < DOMINANT * mesh.area_faces.sum():
        return label
    mine = label == largest
    centers, area = mesh.triangles_center[mine], mesh.area_faces[mine]
    extent = np.ptp(centers @ principal_axes(centers, area / area.sum()), axis=0)
    if extent[0] > LONG * extent[1]:
        pieces = thirds(mesh, mine)
    elif len(values) == 1:
        pieces = top_side_bottom(mesh, normals)
    else:
        return label
    return np.where(mine & (pieces > 0), label.max() + pieces, label)


def with_handle_end(
    mesh: trimesh.Trimesh,
    label: Int[np.ndarray, " faces"],
    end: Bool[np.ndarray, " faces"],
    keep: Sequence[int] = (),
) -> Int[np.ndarray, " faces"]:
    """Cut off the narrow end of a long thing where a part runs across its border, and only there.

    Sight lines from a pan's handle reach its dish, and of a hair brush the cuts go by the bristles: one part
    is then half handle, half head, and a hand that holds "the handle" holds the place between them.

    Args:
      mesh: checked, metres.
      label: of each face.
      end: from `handle_end`.
      keep: labels that stay as they are, of loops and of a cavity.
    """
    area = mesh.area_faces
    free = ~np.isin(label, [k for k in keep if k >= 0])
    own = end & free
    across, beside = (_across(area, label, own, share) for share in (OVERLAP, BESIDE))
    # two that run across are the shells of one bar, or two things side by side, as the halves of scissors
    cut = across >= 1 and (across == beside == 1 or _one_piece(mesh, own))
    return np.where(own, label.max() + 1, label) if cut else label


def _across(
    area: Float[np.ndarray, " faces"],
    label: Int[np.ndarray, " faces"],
    own: Bool[np.ndarray, " faces"],
    share: float,
) -> int:
    """How many parts run across the border of a region: with over that share of it, but not whole."""
    found = 0
    for k in np.unique(label[own]):
        inner = float(area[own & (label == k)].sum())
        pure = inner / float(area[label == k].sum())
        found += bool(pure < PURE and inner > share * area[own].sum())
    return found


def _one_piece(mesh: trimesh.Trimesh, faces: Bool[np.ndarray, " faces"]) -> bool:
    """Whether some faces hang together but for a fifth of them."""
    pairs = mesh.face_adjacency[faces[mesh.face_adjacency].all(axis=1)]
    piece = trimesh.graph.connected_component_labels(pairs, node_count=len(faces))
    area = np.bincount(piece[faces], weights=mesh.area_faces[faces])
    return bool(area.max() > ONE_PIECE * area.sum())


def with_waist(
    mesh: trimesh.Trimesh, label: Int[np.ndarray, " faces"], keep: Sequence[int] = ()
) -> Int[np.ndarray, " faces"]:
    """Cut out a thin stem or shaft where a part runs across its border, as a wine glass's bowl does.

    Args:
      mesh: checked, metres.
      label: of each face.
      keep: labels that stay as they are, of loops and of a cavity.
    """
    stem, area = waist(mesh), mesh.area_faces
    own = stem & ~np.isin(label, [k for k in keep if k >= 0])
    return np.where(own, label.max() + 1, label) if _across(area, label, own, OVERLAP) else label


def _ordered(
    mesh: trimesh.Trimesh,
    label: Int[np.ndarray, " faces"],
    holes: dict[int, float],
    inside: int,
    thickness: Float[np.ndarray, " faces"],
) -> Segmentation:
    values, index = np.unique(label, return_inverse=True)
    area = np.bincount(index, weights=mesh.area_faces)
    order = np.argsort(-area, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    ranked = values[order]
    return Segmentation(
        face_part=place[index],
        hole_diameters=np.array([holes.get(int(v), 0.0) for v in ranked]),
        concave=np.array([int(v) == inside for v in ranked]),
        thickness=thickness,
    )


UP = np.array([0.0, 1.0, 0.0])


def dish_parts(
    graph: FaceGraph, normals: Float[np.ndarray, "faces 3"], thickness: Float[np.ndarray, " faces"]
) -> Int[np.ndarray, " faces"] | None:
    """Rim 0, top of the centre 1 and underside 2 of a plate; None for anything else.

    A plate is thin (below 6 % of its diagonal), about as wide as long (within 30 %) and flat (height below a
    quarter). The rim starts at the radius r in 0.4..0.85 of the greatest that best parts the faces by slope
    |n . a|, a the plate's axis: the between-class variance w1 w2 (m1 - m2)^2 is largest.
    """
    mesh, area = graph.mesh, graph.mesh.area_faces
    share = area / area.sum()
    axes = principal_axes(mesh.triangles_center, share)
    size = np.ptp(mesh.vertices @ axes, axis=0)
    thin = weighted_median(thickness, area) < 0.06 * np.linalg.norm(mesh.extents)
    if not (thin and size[1] > 0.7 * size[0] and size[2] < 0.25 * size[0]):
        return None
    axis = axes[:, 2] if axes[:, 2] @ UP >= 0 else -axes[:, 2]
    local = (mesh.triangles_center - 0.5 * (mesh.bounds[0] + mesh.bounds[1])) @ axes[:, :2]
    radius = np.linalg.norm(local / (0.5 * size[:2]), axis=1)
    slope = np.abs(normals @ axis)
    candidates = [r for r in np.linspace(0.4, 0.85, 46) if 0.0 < share[radius > r].sum() < 1.0 - 1e-9]
    if not candidates:  # no face's centre lies in the middle, or none outside
        return None
    scores = []
    for r in candidates:
        outer = radius > r
        w = share[outer].sum()
        gap = np.average(slope[outer], weights=share[outer]) - np.average(
            slope[~outer], weights=share[~outer]
        )
        scores.append(w * (1 - w) * gap**2)
    rim = radius > candidates[int(np.argmax(scores))]
    return np.where(rim, 0, np.where(normals @ axis > 0, 1, 2))


def thirds(mesh: trimesh.Trimesh, faces: Bool[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
    """Cut `faces` across their long axis: 0 the middle half, 1 and 2 the ends; -1 elsewhere."""
    centers = mesh.triangles_center
    share = mesh.area_faces[faces] / mesh.area_faces[faces].sum()
    along = centers @ principal_axes(centers[faces], share)[:, 0]
    low, high = along[faces].min(), along[faces].max()
    t = (along - low) / (high - low)
    return np.where(faces, np.where(t < 0.25, 1, np.where(t > 0.75, 2, 0)), -1)


def top_side_bottom(
    mesh: trimesh.Trimesh, normals: Float[np.ndarray, "faces 3"]
) -> Int[np.ndarray, " faces"]:
    """Side 0, top 1, bottom 2 by the angle of the normal to up: 45 degrees part them."""
    rise = normals @ UP
    limit = np.cos(np.pi / 4)
    return np.where(rise > limit, 1, np.where(rise < -limit, 2, 0))


def recursive_ncut(
    affinity: Float[np.ndarray, "n n"], max_parts: int, limit: float, min_share: float
) -> Int[np.ndarray, " n"]:
    """Split the set in two at the best normalised cut, again and again, best cut first.

    Ncut(A, B) = cut(A, B) / assoc(A) + cut(A, B) / assoc(B), over the subset being split; the threshold
    on its two Fiedler vectors is swept. A cut above `limit` isn't made.

    Args:
      affinity: symmetric, not negative.
      max_parts: at most so many parts.
      limit: largest Ncut worth making, 0..2.
      min_share: smallest part, as a share of n.

    Returns:
      Labels 0..k-1.
    """
    n = len(affinity)
    label = np.zeros(n, dtype=np.int64)
    # A second BLAS thread is no faster at this size, and spins as it waits: up to forty times the CPU time.
    with _ONE_LIMIT, threadpool_limits(1, "blas"):
        candidates = {0: _best_cut(affinity, np.arange(n), max(2, int(min_share * n)))}
        while len(candidates) < max_parts:
            part = min(candidates, key=lambda k: (candidates[k][0], k))
            value, one, two = candidates[part]
            if value > limit:
                break
            new = len(candidates)
            label[two] = new
            for k, members in ((part, one), (new, two)):
                candidates[k] = _best_cut(affinity, members, max(2, int(min_share * n)))
    return label


def _best_cut(
    affinity: np.ndarray, members: np.ndarray, smallest: int
) -> tuple[float, np.ndarray, np.ndarray]:
    m = len(members)
    nothing = (np.inf, members, members[:0])
    if m < 2 * smallest:
        return nothing
    w = affinity[np.ix_(members, members)]
    degree = w.sum(axis=1) + 1e-9
    root = 1 / np.sqrt(degree)
    laplacian = np.eye(m) - root[:, None] * w * root[None, :]
    vectors = eigh(laplacian, subset_by_index=[1, min(2, m - 1)])[1]
    best = nothing
    for vector in vectors.T:
        order = np.argsort(vector * root, kind="stable")
        wo = w[np.ix_(order, order)]
        total, inner = degree[order].cumsum(), wo.cumsum(axis=0).cumsum(axis=1).diagonal()
        cut = total - inner
        value = cut / total + cut / np.maximum(total[-1] - total, 1e-12)
        value[: smallest - 1] = np.inf
        value[m - smallest :] = np.inf
        k = int(np.argmin(value))
        if value[k] < best[0]:
            best = (float(value[k]), members[np.sort(order[: k + 1])], members[np.sort(order[k + 1 :])])
    return best
