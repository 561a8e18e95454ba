"""Loops: parts around a through-hole that a finger could pass, found by looking through the object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from zdg_jax.objects.parts.graph_cut import FaceGraph
from zdg_jax.objects.parts.visibility import RayMeshIntersector
from zdg_jax.pose import frame_about

DIRECTIONS, PIXELS = 60, 96
MIN_DIAMETER = 0.012  # metres; a child's finger
COARSE, FINE = 36, 180  # half-planes around a hole
BULK = 1.8  # a slice this many times larger than the ring's own is bulk, no longer ring
MIN_ARC = np.deg2rad(75)
#: A loop of more of the surface than that has swallowed what it hangs on, unless it is a ring all around.
MOST_AREA = 0.4
#: Cells of a grid, metres: bodies whose cells do not touch stand apart.
GAP = 0.02
#: Such a handle thickens towards its ends: outwards slices are bulk only when so many times wider.
BULK_OUTWARDS = 2.4


@dataclass(frozen=True)
class ThroughHole:
    """A hole that one can look through: a point in it, the axis of sight, its clear diameter (metres)."""

    center: Float[np.ndarray, "3"]
    axis: Float[np.ndarray, "3"]
    diameter: float


@dataclass(frozen=True)
class Loop:
    """The faces of a loop and the clear diameter of its hole, metres; whether it stands inside another's."""

    faces: Bool[np.ndarray, " faces"]
    diameter: float
    within: bool = False


def find_loops(graph: FaceGraph) -> list[Loop]:
    """Find the rings or handles around each through-hole, largest hole first.

    Around the hole's axis the object is cut by half-planes. Where the slice nearest to the hole is
    small (a ring's own cross-section), the slice belongs to the loop; where it is larger than
    1.8 times the ring's, it is the bulk that the loop hangs on. A handle that is cut out of the body is as
    deep as the body: of a loop that takes 40 % of the surface only slices stay that are thin outwards too,
    if those are less than half of it. Inside a wide one may stand another, as a suitcase's carry handle under
    the bar that it is wheeled by: the wide hole's slices meet it, and it is one by its own hole.

    Args:
      graph: of the mesh.

    Returns:
      Loops of at least 75 degrees of arc; none for objects without such holes.
    """
    loops: list[Loop] = []
    around = np.zeros(len(graph.mesh.faces), dtype=bool)  # loops, and what of the bulk goes round their holes
    for hole in through_holes(graph.mesh):
        rough, _ = _ring_faces(graph, hole, COARSE)
        if not rough.any():
            continue
        own = np.zeros_like(rough)
        if (rough & around).sum() > 0.5 * rough.sum():
            own = _standing_apart(graph, rough, loops)
            if not own.any():
                continue
            loops = [replace(loop, faces=loop.faces & ~own) for loop in loops]
        ring, thin = _ring_faces(graph, hole, FINE)
        thin |= own
        faces = thin & ~np.any([loop.faces for loop in loops], axis=0) if loops else thin
        if faces.any():
            loops.append(Loop(_without_islands(graph, faces), hole.diameter, bool(own.any())))
            around |= loops[-1].faces | (ring & ~thin)
    return loops


def through_holes(mesh: trimesh.Trimesh) -> list[ThroughHole]:
    """Holes seen as background inside the silhouette from 60 sides, largest first, each once."""
    found: list[ThroughHole] = []
    tracer = RayMeshIntersector(mesh)
    for axis in _directions(DIRECTIONS):
        found += _holes_along(mesh, tracer, axis)
    unique: list[ThroughHole] = []
    for hole in sorted(found, key=lambda h: -h.diameter):
        reach = [0.5 * other.diameter + 0.5 * hole.diameter for other in unique]
        if all(np.linalg.norm(hole.center - o.center) > r for o, r in zip(unique, reach, strict=True)):
            unique.append(hole)
    return unique


def _standing_apart(
    graph: FaceGraph, ring: Bool[np.ndarray, " faces"], loops: list[Loop]
) -> Bool[np.ndarray, " faces"]:
    """The piece of a loop that goes round a hole of its own, clear of the loop's larger piece; or nothing."""
    nothing = np.zeros_like(ring)
    for loop in loops:
        if (ring & loop.faces).sum() <= 0.5 * ring.sum():
            continue
        piece = _bodies(graph, loop.faces)
        area = np.bincount(piece[loop.faces], weights=graph.mesh.area_faces[loop.faces])
        inner = np.bincount(piece[ring & loop.faces], minlength=len(area))
        mine = int(inner.argmax())
        if mine != int(area.argmax()) and inner[mine] > 0.9 * inner.sum():
            return piece == mine
    return nothing


def _bodies(graph: FaceGraph, mask: Bool[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
    """Which of the bodies that are 2 to 4 cm apart each face within `mask` is of; -1 outside.

    Faces that share an edge are of one, and so are those that come near: one bar may be of several shells.
    """
    faces = np.flatnonzero(mask)
    piece = np.unique(graph.pieces(mask)[faces], return_inverse=True)[1]
    # long triangles have no vertices where another bar meets them
    split = trimesh.remesh.subdivide_to_size(
        graph.mesh.vertices, graph.mesh.faces[faces], max_edge=GAP, max_iter=20, return_index=True
    )
    vertices, small, of = cast(tuple[np.ndarray, np.ndarray, np.ndarray], split)
    cells = (vertices[small[:, 0]] // GAP).astype(int)
    cells -= cells.min(axis=0)
    grid = np.zeros(cells.max(axis=0) + 1, dtype=bool)
    grid[tuple(cells.T)] = True
    near, count = cast(tuple[np.ndarray, int], ndimage.label(grid, np.ones((3, 3, 3))))
    links = (np.ones(len(of)), (near[tuple(cells.T)] - 1, count + piece[of]))
    size = count + int(piece.max()) + 1
    _, label = connected_components(coo_array(links, shape=(size, size)), directed=False)
    result = np.full(len(mask), -1)
    result[faces] = label[count + piece]
    return result


def _directions(count: int) -> Float[np.ndarray, "n 3"]:
    """Even half-sphere of directions (spiral), and the three axes."""
    z = (np.arange(count) + 0.5) / count
    turn = np.arange(count) * (np.pi * (3 - np.sqrt(5)))
    flat = np.sqrt(1 - z**2)
    return np.concatenate([np.eye(3), np.column_stack([flat * np.cos(turn), flat * np.sin(turn), z])])


def _holes_along(mesh: trimesh.Trimesh, tracer: RayMeshIntersector, axis: np.ndarray) -> list[ThroughHole]:
    frame = frame_about(axis)
    local = mesh.vertices @ frame
    low, high = local.min(axis=0), local.max(axis=0)
    pixel = float((high - low)[:2].max()) / (PIXELS - 4)
    shape = tuple(np.ceil((high - low)[:2] / pixel).astype(int) + 4)
    u, v = np.meshgrid(*(np.arange(n) + 0.5 - 2 for n in shape), indexing="ij")
    start = np.stack([low[0] + u * pixel, low[1] + v * pixel, np.full(shape, low[2] - 0.01)], axis=-1)
    origins = (start @ frame.T).reshape(-1, 3)
    hit = np.asarray(tracer.intersects_first(origins, np.tile(axis, (len(origins), 1)))).reshape(shape)
    solid = hit >= 0
    inner = np.asarray(ndimage.binary_fill_holes(solid), dtype=bool) & ~solid
    if not inner.any():
        return []
    label, count = cast(tuple[np.ndarray, int], ndimage.label(inner))
    radius = np.asarray(ndimage.distance_transform_edt(inner))
    holes = []
    for k in range(1, count + 1):
        here = label == k
        diameter = 2 * float(radius[here].max()) * pixel - pixel
        if diameter < MIN_DIAMETER:
            continue
        i, j = np.unravel_index(np.argmax(np.where(here, radius, 0)), shape)
        ring = np.asarray(ndimage.binary_dilation(here, iterations=2), dtype=bool) & solid
        depth = np.median(local[mesh.faces[hit[ring]]][..., 2])
        center = frame @ np.array([start[i, j, 0], start[i, j, 1], depth])
        holes.append(ThroughHole(center, axis, diameter))
    return holes


def _ring_faces(
    graph: FaceGraph, hole: ThroughHole, angles: int
) -> tuple[Bool[np.ndarray, " faces"], Bool[np.ndarray, " faces"]]:
    """Faces of the small slices around the hole, and those of the loop: all, or those thin outwards."""
    mesh = graph.mesh
    frame = frame_about(hole.axis)
    local = (mesh.vertices - hole.center) @ frame
    centers = (mesh.triangles_center - hole.center) @ frame
    theta = 2 * np.pi * np.arange(angles) / angles
    slices = [_nearest_slice(graph, local, centers, angle) for angle in theta]
    extents = np.array([extent for _, extent in slices])
    widths, sizes = extents[:, 0], extents.max(axis=1)
    finite = np.isfinite(sizes)
    nothing = np.zeros(len(mesh.faces), dtype=bool)
    if finite.sum() < 3:
        return nothing, nothing
    limit = BULK * float(np.percentile(sizes[finite], 15))
    small = finite & (sizes <= limit)
    if small.sum() * 2 * np.pi / angles < MIN_ARC:
        return nothing, nothing
    seed, area = _in_runs(slices, small, nothing), mesh.area_faces
    if area[seed].sum() > MOST_AREA * mesh.area:
        narrow = small & (widths <= BULK_OUTWARDS * float(np.percentile(widths[small], 15)))
        thin = _in_runs(slices, narrow, nothing)
        if narrow.sum() * 2 * np.pi / angles >= MIN_ARC and area[thin].sum() < 0.5 * area[seed].sum():
            return seed, thin
    return seed, seed


def _in_runs(slices, small: Bool[np.ndarray, " angles"], nothing: Bool[np.ndarray, " faces"]):
    """Faces of the slices that are small, in runs that count."""
    seed = nothing.copy()
    for (own, _), ok in zip(slices, _long_runs(small), strict=True):
        if ok:
            seed[own] = True
    return seed


def _long_runs(small: Bool[np.ndarray, " angles"]) -> Bool[np.ndarray, " angles"]:
    """Only runs of at least 20 degrees count: single small slices on the bulk are noise."""
    n = len(small)
    twice = ndimage.binary_opening(np.tile(small, 3), np.ones(n // 18, dtype=bool))
    return twice[n : 2 * n]


def _without_islands(graph: FaceGraph, mask: Bool[np.ndarray, " faces"]) -> Bool[np.ndarray, " faces"]:
    """Take in the small gaps that no slice met, and drop the specks."""
    area = graph.mesh.area_faces
    for value, share in ((False, 0.01), (True, 0.1)):
        piece = graph.pieces(mask == value)
        size = np.bincount(piece[piece >= 0], weights=area[piece >= 0], minlength=len(area))
        small = (piece >= 0) & (size[piece] < share * area[mask].sum() * (1 if value else 10))
        mask = mask ^ small
    return mask


def _nearest_slice(
    graph: FaceGraph, local: np.ndarray, centers: np.ndarray, angle: float
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "2"]]:
    """Faces of the slice nearest to the hole in the half-plane at `angle`, and its extents outwards and
    along the axis: inf if there is none."""
    along = np.array([np.cos(angle), np.sin(angle)])
    side = local[:, 1] * along[0] - local[:, 0] * along[1] >= 0
    faces = graph.mesh.faces
    s = side[faces]
    cut = (s.any(axis=1) & ~s.all(axis=1)) & (centers[:, :2] @ along > 0)
    chosen = np.flatnonzero(cut)
    if len(chosen) == 0:
        return chosen, np.full(2, np.inf)
    both = cut[graph.pairs].all(axis=1)
    place = np.full(len(faces), -1)
    place[chosen] = np.arange(len(chosen))
    a, b = place[graph.pairs[both]].T
    n = len(chosen)
    _, label = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    flat = np.column_stack([centers[chosen, :2] @ along, centers[chosen, 2]])
    distance = np.linalg.norm(flat, axis=1)
    nearest = label[np.argmin(distance)]
    own = chosen[label == nearest]
    return own, np.ptp(flat[label == nearest], axis=0)
