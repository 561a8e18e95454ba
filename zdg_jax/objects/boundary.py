"""Open edges of a mesh and the filling of small holes."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Int

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
