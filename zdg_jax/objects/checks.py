"""What a mesh must be: checks, filling of small holes, and warnings."""

from __future__ import annotations

import math

import fast_simplification
import numpy as np
import trimesh
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from zdg_jax.errors import UserError
from zdg_jax.objects.sources import checked_index
from zdg_jax.objects.whole import (
    BURIED,
    buried_share,
    check_soup,
    check_whole,
    enclosed,
    moved_home,
    num_apart,
    outer_boundary,
    outward,
    without_doubles,
)

MIN_EXTENT, MAX_EXTENT = 0.005, 2.0  # metres: outside this no hand can grasp the thing
MAX_FACES, SIMPLIFIED_FACES = 100_000, 50_000
SPECKS_SHARE = 0.02  # of the surface, all specks together
SPECK_SHARE = 0.005  # of the surface; loose scan specks are far smaller, real parts larger


def check_mesh(mesh: trimesh.Trimesh, label: str) -> tuple[trimesh.Trimesh, tuple[str, ...]]:
    """Check a mesh in metres, mend what is safe to mend and say what was done.

    Steps: refuse empty, NaN and implausibly sized meshes; move one that is far from its origin; merge equal
    vertices; drop faces without area or that stand twice; simplify absurd face counts; drop loose specks;
    make the winding agree; fill small holes; turn the faces outward; look at what is left as a whole; and
    leave out what lies inside.

    Args:
      mesh: in metres.
      label: what to call it in messages.

    Returns:
      (a new mesh with outward faces, warnings). A mesh that is still open is returned with a warning.

    Raises:
      UserError: no faces, faces of vertices that are not there, NaN or infinite vertices, largest extent
        outside 5 mm .. 2 m, a flat mesh, one around no volume, faces that hang together nowhere.
    """
    _refuse(mesh, label)
    warnings: list[str] = []
    mesh = without_doubles(_merged(moved_home(mesh, warnings)), warnings)
    if len(mesh.faces) == 0:
        raise UserError(f"{label} with faces of no area only", "a surface", "export the mesh again")
    if len(mesh.faces) > MAX_FACES:
        warnings.append(f"simplified from {len(mesh.faces)} to about {SIMPLIFIED_FACES} faces")
        vertices, faces, *_ = fast_simplification.simplify(
            np.asarray(mesh.vertices, dtype=np.float64),
            np.asarray(mesh.faces, dtype=np.int32),
            target_reduction=1.0 - SIMPLIFIED_FACES / len(mesh.faces),
        )
        mesh = _merged(trimesh.Trimesh(vertices.astype(np.float64), faces.astype(np.int64), process=False))
    mesh = _consistent(_without_specks(mesh, label, warnings), warnings)
    if open_edge_count(mesh):
        mesh, filled = fill_small_holes(mesh)
        if filled:
            warnings.append(f"filled {filled} small holes")
    mesh = _turned_outward(mesh, warnings)
    if (groups := num_apart(mesh, component_labels(mesh)[1])) > 1:
        warnings.append(
            f"{groups} bodies that do not touch: taken as one rigid thing; if they are several, give each "
            "its own file"
        )
    remaining = open_edge_count(mesh)
    _refuse(mesh, label)
    check_whole(mesh, label, is_closed=not remaining)
    if not remaining:
        mesh = _unburied(mesh, warnings)
    else:
        warnings.append(
            f"not watertight: {remaining} open edges remain; inside and outside come from the winding "
            "number; volume, mass and penetration are approximate"
        )
    return mesh, tuple(warnings)


def component_labels(mesh: trimesh.Trimesh) -> tuple[int, Int[np.ndarray, " faces"]]:
    """Number of pieces connected over shared vertices, and the piece of each face."""
    faces = mesh.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    n = len(mesh.vertices)
    graph = coo_array((np.ones(len(edges), dtype=np.int8), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, vertex_label = connected_components(graph, directed=False)
    values, label = np.unique(vertex_label[faces[:, 0]], return_inverse=True)
    return len(values), label


def _refuse(mesh: trimesh.Trimesh, label: str) -> None:
    if len(mesh.vertices) == 0 or len(mesh.faces) == 0:
        got = f"{label} with {len(mesh.vertices)} vertices and {len(mesh.faces)} faces"
        raise UserError(got, "a mesh with faces", "check that the file holds a triangle mesh")
    checked_index(np.asarray(mesh.vertices), np.asarray(mesh.faces), label)
    bad = int((~np.isfinite(mesh.vertices)).any(axis=1).sum())
    if bad:
        raise UserError(f"{label} with {bad} NaN or infinite vertices", "finite vertices", "repair the file")
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    extent = float(np.ptp(corners, axis=0).max())
    if not MIN_EXTENT <= extent <= MAX_EXTENT:
        if extent == 0.0:
            raise UserError(f"{label} of size 0", "an object with an extent", "export the mesh again")
        scale = 10.0 ** round(math.log10(0.2 / extent))
        raise UserError(
            f"{label} of size {extent:.4g} m",
            f"{MIN_EXTENT} m to {MAX_EXTENT} m",
            f"give a scale, for example --scale {scale:g} if the file's unit is not the metre",
        )


def _merged(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    f = mesh.faces
    distinct = (f[:, 0] != f[:, 1]) & (f[:, 1] != f[:, 2]) & (f[:, 2] != f[:, 0])
    mesh.update_faces(distinct)
    if open_edge_count(mesh):  # zero-area faces of a closed mesh hold it together, others are waste
        mesh.update_faces(mesh.area_faces > 0)
    mesh.remove_unreferenced_vertices()
    return mesh


def _without_specks(mesh: trimesh.Trimesh, name: str, warnings: list[str]) -> trimesh.Trimesh:
    count, label = component_labels(mesh)
    if count == 1:
        return mesh
    check_soup(mesh, name, np.bincount(label)[label])
    share = np.bincount(label, weights=mesh.area_faces, minlength=count) / mesh.area
    speck = share < min(SPECK_SHARE, share.max())
    if not speck.any():
        return mesh
    if share[speck].sum() > SPECKS_SHARE:  # bristles, tiles, links of a chain: small, and what the thing is
        warnings.append(f"{count} loose pieces, {int(speck.sum())} of them small; all are kept")
        return mesh
    warnings.append(
        f"dropped {int(speck.sum())} loose specks ({100 * share[speck].sum():.2g} % of the surface)"
    )
    kept = trimesh.Trimesh(mesh.vertices, mesh.faces[~speck[label]], process=False)
    kept.remove_unreferenced_vertices()
    return kept


def _consistent(mesh: trimesh.Trimesh, warnings: list[str]) -> trimesh.Trimesh:
    if mesh.is_winding_consistent:
        return mesh
    fixed = trimesh.Trimesh(mesh.vertices, np.array(mesh.faces), process=False)
    trimesh.repair.fix_winding(fixed)
    warnings.append("faces were wound inconsistently; turned to agree with their neighbours")
    return fixed


def _turned_outward(mesh: trimesh.Trimesh, warnings: list[str]) -> trimesh.Trimesh:
    count, label = component_labels(mesh)
    if count > 1:
        is_open = np.zeros(count, bool)
        piece = np.zeros(len(mesh.vertices), np.int64)
        piece[mesh.faces] = label[:, None]
        is_open[piece[_open_edges(mesh)[:, 0]]] = True
        mesh, turned = outward(mesh, label, is_open)
        if turned:
            warnings.append(f"{turned} closed pieces were inside out; turned outward")
    faces = np.array(mesh.faces)
    if enclosed(mesh) < 0:
        faces = faces[:, ::-1]
        warnings.append("faces pointed inward; turned outward")
    return trimesh.Trimesh(mesh.vertices, faces, process=False)


def _unburied(mesh: trimesh.Trimesh, warnings: list[str]) -> trimesh.Trimesh:
    """Without what lies inside: the outer boundary where it can be had, else the mesh with a warning."""
    buried = buried_share(mesh)
    if buried <= BURIED:
        return mesh
    count, label = component_labels(mesh)
    inside = (
        f"{100 * buried:.0f} % of the surface lies inside the object (inner walls, or shells in each other)"
    )
    joined = outer_boundary(mesh, label)
    if joined is not None and not open_edge_count(joined) and buried_share(joined) <= BURIED:
        warnings.append(
            f"{inside}; its {count} closed pieces are taken as one body of {1e6 * enclosed(joined):.3g} cm3; "
            "if one of them is a hollow, turn its faces inward"
        )
        return joined
    warnings.append(f"{inside}: depth and mass are off there; export the outer surface alone")
    return mesh


MAX_HOLE = 0.1  # perimeter over the bounding-box diagonal; larger openings may be meant


def open_edge_count(mesh: trimesh.Trimesh) -> int:
    """Number of directed edges without a partner; 0 exactly if the surface bounds a volume.

    Weaker than manifoldness on purpose: where two sheets touch along an edge (four faces) inside
    and outside are still well defined, and signed distance and volume are exact.
    """
    return len(_open_edges(mesh))


def fill_small_holes(mesh: trimesh.Trimesh, max_hole: float = MAX_HOLE) -> tuple[trimesh.Trimesh, int]:
    """Close holes whose perimeter is at most `max_hole` times the bounding-box diagonal, each by a fan.

    Args:
      mesh: with shared vertices merged.
      max_hole: perimeter limit relative to the diagonal.

    Returns:
      (the mesh, how many holes were filled).
    """
    vertices, faces = [np.asarray(mesh.vertices)], [np.asarray(mesh.faces)]
    limit, count, filled = max_hole * float(np.linalg.norm(mesh.extents)), len(mesh.vertices), 0
    for ring in _simple_rings(_open_edges(mesh)[:, ::-1]):  # the fan runs against the open edges
        loop = np.column_stack([ring, np.roll(ring, -1)])
        ends = np.asarray(mesh.vertices)[loop]
        length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        if length.sum() > limit:
            continue
        if len(ring) == 3:
            faces.append(ring[None])
        else:
            vertices.append(np.average(ends.mean(axis=1), axis=0, weights=length)[None])
            faces.append(np.column_stack([loop, np.full(len(loop), count)]))
            count += 1
        filled += 1
    if not filled:
        return mesh, 0
    return trimesh.Trimesh(np.concatenate(vertices), np.concatenate(faces), process=False), filled


def _simple_rings(edges: Int[np.ndarray, "edges 2"]) -> list[Int[np.ndarray, " ring"]]:
    """Closed paths that visit no vertex twice; edges that lead nowhere are left out."""
    ahead: dict[int, list[int]] = {}
    for a, b in edges.tolist():
        ahead.setdefault(a, []).append(b)
    rings = []
    for start in sorted(ahead):
        while ahead[start]:
            path, place = [start], {start: 0}
            while ahead.get(path[-1]):
                vertex = ahead[path[-1]].pop()
                if vertex in place:  # where a path meets itself a ring is complete
                    first = place[vertex]
                    ring, path = path[first:], path[: first + 1]
                    for used in ring[1:]:
                        del place[used]
                    if len(ring) > 2:
                        rings.append(np.array(ring))
                    if not ahead.get(vertex) and vertex == start:
                        break
                else:
                    place[vertex] = len(path)
                    path.append(vertex)
    return rings


def _open_edges(mesh: trimesh.Trimesh) -> Int[np.ndarray, "edges 2"]:
    f = np.asarray(mesh.faces)
    if len(f) == 0:
        return np.zeros((0, 2), np.int64)
    edges = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
    n = len(mesh.vertices)
    forward, backward = edges[:, 0] * n + edges[:, 1], edges[:, 1] * n + edges[:, 0]
    keys, inverse, count = np.unique(forward, return_inverse=True, return_counts=True)
    place = np.minimum(np.searchsorted(keys, backward), len(keys) - 1)
    partners = np.where(keys[place] == backward, count[place], 0)
    # with k copies of an edge and j < k of its reverse, k - j of them are open
    order = np.argsort(inverse, kind="stable")
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    rank = np.empty(len(edges), dtype=np.int64)
    rank[order] = np.arange(len(edges)) - np.repeat(first, count)
    return edges[rank >= partners]
