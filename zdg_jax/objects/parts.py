"""Geometric part segmentation of the whole mesh into 2 to 8 parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int

from zdg_jax.objects.borders import absorb_slivers, clean_borders, merge_without_reason, one_piece_each
from zdg_jax.objects.cavity import find_cavity, rim_band
from zdg_jax.objects.descriptors import principal_axes
from zdg_jax.objects.facegraph import FaceGraph, build_face_graph, smooth_normals
from zdg_jax.objects.loops import find_loops
from zdg_jax.objects.ncut import recursive_ncut
from zdg_jax.objects.samples import sample_surface
from zdg_jax.objects.sight import SolidField, inner_points, sight_affinity
from zdg_jax.objects.simple_parts import dish_parts, thirds, top_side_bottom
from zdg_jax.objects.thickness import shape_diameter

MAX_PARTS, MAX_LOOPS = 8, 4
PLACES = 800  # surface samples among which lines of sight are drawn
NCUT_LIMIT = 0.76
MIN_PLACES, MIN_AREA = 0.03, 0.02  # smallest part, as a share of the places and of the surface
OWN_AREA = 0.05  # a detached piece so large is a part of its own
BAND = 0.03  # of the diagonal: how far a border may move to a better place
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
    for index, loop in enumerate(find_loops(graph)[:MAX_LOOPS]):
        label[loop.faces] = index
        holes[index] = loop.diameter
    cavity = find_cavity(graph, normals, thickness, label >= 0)
    inside = len(holes) if cavity.any() else -1
    label[cavity] = len(holes)
    dish = dish_parts(graph, normals, thickness) if not holes and inside < 0 else None
    if dish is not None:
        label = dish
    else:
        label = _by_sight(graph, normals, label, cavity)
        if inside >= 0 and not holes:  # without a handle, the rim is a place to hold
            rim = rim_band(graph, label == inside, 0.35 * np.sqrt(mesh.area_faces[cavity].sum() / np.pi) / 2)
            label[rim] = label.max() + 1
        label = clean_borders(graph, label, BAND * diagonal)
        label = _with_reserve(mesh, normals, absorb_slivers(graph, label, MIN_AREA))
    share = MIN_AREA
    label = absorb_slivers(graph, label, share)
    while len(np.unique(label)) > MAX_PARTS:
        share *= 1.25
        label = absorb_slivers(graph, label, share)
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
