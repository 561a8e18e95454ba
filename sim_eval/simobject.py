"""An object as every backend simulates it: convex pieces and the inertia of the whole mesh."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import coacd
import fast_simplification
import numpy as np
import trimesh
from jaxtyping import Float
from manifold3d import Manifold
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from sim_eval.solids import (
    PIECES,
    VERTICES,
    Inertial,
    Slots,
    as_manifold,
    fill_slots,
    hull_union,
    inertial_of,
    manifold_arrays,
    remeshed,
)
from zdg_jax.cache import cached_arrays
from zdg_jax.objects import signed_distance
from zdg_jax.objects.load import mesh_sha256
from zdg_jax.objects.sdf.mesh_distance import closest_points

# Convex pieces of an object for simulation (DESIGN §7), cached on disk.
# Few convex pieces with few vertices that stay close to the object: merging, splitting, thinning out.
Points = Float[np.ndarray, "_ 3"]
#: Pieces down to which merging goes by volume, which is cheap; the thin merges that it makes bulge little.
_BY_VOLUME = 48
#: Metres: a piece that loses more than this by its limit of vertices is split while slots are left.
SPLIT_ERROR = 0.0002


def merge_pieces(
    pieces: list[Points], max_pieces: int, cost: Callable[[Manifold, float], float] | None = None
) -> list[Points]:
    """Merge convex pieces pairwise until at most `max_pieces` are left.

    Each step joins the neighbours (a, b) of least cost, by default vol(hull(a ∪ b)) - vol(a) - vol(b); pieces
    are disjoint, so this is the volume of free space that is filled. Pieces whose boxes are more than 0.5 %
    of the object's size apart are no neighbours, unless no others are left.

    Args:
      pieces: vertices of each convex piece, metres.
      max_pieces: at least 1.
      cost: of a joint hull and the volume that it adds.

    Returns:
      Vertices of each remaining hull, metres.
    """
    hulls: dict[int, Manifold] = {i: Manifold.hull_points(p) for i, p in enumerate(pieces)}
    reach = 0.005 * float(np.ptp(np.concatenate(pieces), axis=0).max())
    prices: dict[tuple[int, int], float] = {}

    def price(i: int, j: int, near: bool = True) -> None:
        a, b = np.array(hulls[i].bounding_box()), np.array(hulls[j].bounding_box())
        if near and (np.maximum(a[:3], b[:3]) > np.minimum(a[3:], b[3:]) + reach).any():
            return
        joint = Manifold.batch_hull([hulls[i], hulls[j]])
        added = joint.volume() - hulls[i].volume() - hulls[j].volume()
        prices[i, j] = added if cost is None else cost(joint, added)

    if len(hulls) > max_pieces:
        for i in hulls:
            for j in range(i):
                price(i, j)
    while len(hulls) > max_pieces:
        if not prices:
            for i, j in itertools.combinations(hulls, 2):
                price(i, j, near=False)
        i, j = min(prices, key=lambda pair: (prices[pair], pair))
        hulls[i] = Manifold.batch_hull([hulls[i], hulls.pop(j)])
        prices = {pair: c for pair, c in prices.items() if i not in pair and j not in pair}
        for other in hulls:
            if other != i:
                price(i, other)
    return [manifold_arrays(h)[0] for h in hulls.values()]


def merge_by_bulge(pieces: list[Points], max_pieces: int, solid: trimesh.Trimesh) -> list[Points]:
    """Merge down to few pieces by how far a joint hull stands out of the object.

    The volume that a merge adds is small across a mug's handle, and the hole is filled: with 16 pieces by
    volume a point in it lay 31 mm deep in a piece, by bulge none lies deeper than 9 mm. The cost is
    max phi over points on the joint hull, phi the signed distance to the object.

    Args:
      pieces: vertices of each convex piece, metres.
      max_pieces: at least 1.
      solid: the object, closed; few faces are enough.

    Returns:
      Vertices of each remaining hull, metres.
    """

    def bulge(joint: Manifold, _: float) -> float:
        corners = np.asarray(trimesh.Trimesh(*manifold_arrays(joint), process=False).triangles)
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        large = corners[np.argsort(-area, kind="stable")[:40]]  # what closes a gap is large
        middle = large.mean(axis=1)
        points = np.concatenate([middle, (large + np.roll(large, 1, axis=1)).reshape(-1, 3) / 2])
        return float(np.max(signed_distance(solid, points)))

    fewer = merge_pieces(pieces, max(_BY_VOLUME, max_pieces))
    return merge_pieces(fewer, max_pieces, bulge)


def limit_vertices(points: Points, most: int) -> Points:
    """At most `most` vertices of a hull: six extremes, then always the one that stands out farthest."""
    points = points[ConvexHull(points).vertices]
    if len(points) <= most:
        return points
    chosen = list(dict.fromkeys(int(f(points[:, k])) for k in range(3) for f in (np.argmin, np.argmax)))
    while len(chosen) < most:
        try:
            planes = ConvexHull(points[chosen]).equations
            out = (points @ planes[:, :3].T + planes[:, 3]).max(axis=1)
        except QhullError:  # the extremes lie in one plane: leave it
            thin = np.linalg.svd(points[chosen] - points[chosen[0]], full_matrices=True)[2][-1]
            out = np.abs((points - points[chosen[0]]) @ thin)
        out[chosen] = -np.inf
        chosen.append(int(np.argmax(out)))
    return points[chosen]


def limit_error(points: Points, few: Points) -> float:
    """How far a hull's vertices stand out of a smaller hull at most, metres (largest plane distance)."""
    if len(few) == len(points):
        return 0.0
    planes = ConvexHull(few).equations
    return float(max((points @ planes[:, :3].T + planes[:, 3]).max(axis=1).max(), 0.0))


def few_vertices(pieces: list[Points], max_pieces: int, max_vertices: int) -> list[Points]:
    """Pieces with at most `max_vertices` each; those that would lose most are first cut in two.

    32 vertices are too few for a ball, whose surface they miss by 2 mm; 16 pieces of it miss by 0.2 mm. A
    convex piece stays convex under a plane through its centroid across its longest axis.

    Args:
      pieces: vertices of each convex piece, metres.
      max_pieces: slots; at least as many as there are pieces.
      max_vertices: of a piece.

    Returns:
      Vertices of each piece, metres.
    """
    whole = [p[ConvexHull(p).vertices] for p in pieces]
    few = [limit_vertices(p, max_vertices) for p in whole]
    error = [limit_error(p, f) for p, f in zip(whole, few, strict=True)]
    while len(whole) < max_pieces:
        worst = int(np.argmax(error))
        if error[worst] <= SPLIT_ERROR:
            break
        halves = [p[ConvexHull(p).vertices] for p in _halves(whole[worst])]
        del whole[worst], few[worst], error[worst]
        for half in halves:
            whole.append(half)
            few.append(limit_vertices(half, max_vertices))
            error.append(limit_error(half, few[-1]))
    return few


def _halves(points: Points) -> tuple[Points, Points]:
    centre = points.mean(axis=0)
    axis = np.linalg.svd(points - centre, full_matrices=False)[2][0]
    planes = ConvexHull(points).equations
    sides = []
    for sign in (1.0, -1.0):
        cut = np.append(sign * axis, -sign * float(axis @ centre))
        inner = centre - sign * 1e-4 * float(np.ptp(points @ axis)) * axis
        sides.append(HalfspaceIntersection(np.vstack([planes, cut]), inner).intersections)
    return sides[0], sides[1]


_SOURCES = tuple(Path(__file__).with_name(name) for name in ("simobject.py", "solids.py"))
_SEARCH = {
    "merge": False, "preprocess_mode": "off", "resolution": 500, "mcts_nodes": 10, "mcts_iterations": 20,
    "mcts_max_depth": 2,
}  # fmt: skip
#: How hasty meshes are simplified, the next where one strays further than that from itself, metres.
_HASTE, _LOST, _TESTED = (5.0, 2.0, 0.5), 0.002, 3000
FEW_PIECES = 24
MAX_BULGE = 0.0003  # metres; a ball's hulls bulge less, and cutting its scan noise finer takes a minute


@dataclass(frozen=True)
class ConvexParams:
    """How an object is cut.

    Attributes:
      max_pieces: most pieces. A padded template for MJX holds 16 (DESIGN §7); C MuJoCo has no such limit and
        GraspTTA's own test allows 1024, so the default keeps thin walls thin.
      max_vertices: most vertices a piece, None for no limit; MJX's template holds 32.
      concavity: coacd's threshold, a share of the object's size; halved for objects that come out in few
        pieces and bulge, so that a plain handle is as exact as a mug.
      faces: the mesh is simplified to about that many faces first.
      seed: of coacd's tree search.
    """

    max_pieces: int = 64
    max_vertices: int | None = None
    concavity: float = 0.04
    faces: int = 2000
    seed: int = 0


MJX_TEMPLATE = ConvexParams(max_pieces=PIECES, max_vertices=VERTICES)


@dataclass(frozen=True)
class ConvexPieces:
    """Convex pieces, each given by the vertices of its hull, metres, in the object frame.

    Attributes:
      pieces: vertices of each hull.
      note: "" or what had to be given up, for the row's `status_reason`.
    """

    pieces: tuple[Float[np.ndarray, "_ 3"], ...]
    note: str = ""


def convex_pieces(mesh: trimesh.Trimesh, params: ConvexParams | None = None) -> ConvexPieces:
    """Cut a mesh into convex pieces with coacd and merge them down to `max_pieces`.

    The mesh is simplified first, then cut without coacd's own merging (it takes most of its time); pieces
    are merged pairwise by the least volume that a common hull adds (`merge_pieces`). The result depends on
    nothing but mesh and parameters and is kept on disk under their hash.

    Args:
      mesh: outward faces, metres.
      params: how to cut.

    Returns:
      The pieces. Where the mesh bounds no solid they are those of `remeshed`, or its hull; `note` says so.

    Raises:
      ValueError: no piece came out, a flat object, or max_pieces < 1.
    """
    params = params or ConvexParams()
    if params.max_pieces < 1:
        raise ValueError(f"got max_pieces {params.max_pieces}; expected at least 1")
    stored = cached_arrays("convex", _key(mesh, params), lambda: _pack(_cut(mesh, params)), _SOURCES)
    pieces = tuple(np.split(stored["vertices"], np.cumsum(stored["counts"])[:-1]))
    return ConvexPieces(pieces, str(stored["note"]))


def keep_pieces(mesh: trimesh.Trimesh, pieces: ConvexPieces, params: ConvexParams | None = None) -> None:
    """Put pieces that `convex_pieces` gave on another machine into this one's cache.

    Args:
      mesh, params: that they were cut from and with.
      pieces: the result.
    """
    cached_arrays("convex", _key(mesh, params or ConvexParams()), lambda: _pack(pieces), _SOURCES)


def _cut(mesh: trimesh.Trimesh, params: ConvexParams) -> ConvexPieces:
    solid, note = as_manifold(np.asarray(mesh.vertices), np.asarray(mesh.faces)), ""
    if solid is None:
        solid = remeshed(mesh)
        if solid is not None:
            off = 1000.0 * max(
                _strays(solid, np.asarray(trimesh.sample.sample_surface(mesh, _TESTED, seed=0)[0])),
                _off_mesh(mesh, solid),
            )
            note = (
                "convex pieces of the remeshed object (mesh bounds no solid; the two surfaces are up to "
                f"{off:.0f} mm apart, and openings wider than a cell are closed)"
            )
    if solid is None:
        hull = Manifold.hull_points(np.asarray(mesh.vertices, np.float64))
        if hull.volume() <= 0:
            raise ValueError("got a flat object; expected one with a volume to simulate")
        return ConvexPieces((manifold_arrays(hull)[0],), "the object's convex hull (mesh encloses nothing)")
    vertices, faces = manifold_arrays(_simplified(solid, params.faces))
    pieces = _coacd(vertices, faces, params.concavity, params.seed)
    if len(pieces) < FEW_PIECES and _bulge(pieces, solid) > MAX_BULGE:
        pieces = _coacd(vertices, faces, params.concavity / 2, params.seed)
    if not pieces:
        raise ValueError(f"got no convex piece from a mesh of {len(faces)} faces; expected at least one")
    if params.max_vertices is None:
        return ConvexPieces(tuple(merge_pieces(pieces, params.max_pieces)), note)
    pieces = merge_by_bulge(pieces, params.max_pieces, trimesh.Trimesh(vertices, faces, process=False))
    return ConvexPieces(tuple(few_vertices(pieces, params.max_pieces, params.max_vertices)), note)


def _simplified(solid: Manifold, faces: int) -> Manifold:
    """A solid of about so many faces, nowhere further than `_LOST` from what it was.

    Going through `Manifold` parts sheets that touch; coacd needs that. Simplified in haste a basket loses its
    handle and scissors three quarters of their volume; such a one is simplified again with more care.
    """
    v, f = manifold_arrays(solid)
    if len(f) <= faces:
        return solid
    for haste in _HASTE:
        small = fast_simplification.simplify(v, f, target_count=faces, agg=haste)
        found = as_manifold(small[0].astype(np.float64), small[1].astype(np.int64))
        if found is not None and max(_strays(found, v), _strays(solid, manifold_arrays(found)[0])) <= _LOST:
            return found
    return solid


def _strays(solid: Manifold, points: np.ndarray) -> float:
    """Distance to a solid's surface of that of some points which is furthest from it, metres."""
    mesh = trimesh.Trimesh(*manifold_arrays(solid), process=False)
    return float(closest_points(mesh, points[:: max(1, len(points) // _TESTED)])[1].max())


def _off_mesh(mesh: trimesh.Trimesh, solid: Manifold) -> float:
    """Distance to the mesh of that point on a solid's surface which is furthest from it, metres."""
    points = manifold_arrays(solid)[0]
    return float(closest_points(mesh, points[:: max(1, len(points) // _TESTED)])[1].max())


def _bulge(pieces: list[np.ndarray], solid: Manifold) -> float:
    """Mean thickness by which the pieces stand out of the solid: (V_union - V) / A, metres."""
    return (hull_union(pieces).volume() - solid.volume()) / solid.surface_area()


def _coacd(vertices: np.ndarray, faces: np.ndarray, threshold: float, seed: int) -> list[np.ndarray]:
    """Coacd's pieces before any merging, kept on disk: every limit of pieces begins with them."""

    def cut() -> dict[str, np.ndarray]:
        coacd.set_log_level("error")
        found = coacd.run_coacd(coacd.Mesh(vertices, faces), threshold=threshold, seed=seed, **_SEARCH)
        pieces = [np.asarray(p[0], np.float64) for p in found]
        pieces = [p for p in pieces if Manifold.hull_points(p).volume() > 0]
        return _pack(ConvexPieces(tuple(pieces))) if pieces else {"counts": np.zeros(0, np.int64)}

    key = f"{mesh_sha256(trimesh.Trimesh(vertices, faces, process=False))} {threshold} {seed} {_SEARCH}"
    stored = cached_arrays("coacd", key, cut, ())
    return np.split(stored["vertices"], np.cumsum(stored["counts"])[:-1]) if len(stored["counts"]) else []


def _key(mesh: trimesh.Trimesh, params: ConvexParams) -> str:
    return f"{mesh_sha256(mesh)} {dataclasses.astuple(params)}"


def _pack(result: ConvexPieces) -> dict[str, np.ndarray]:
    counts = np.array([len(p) for p in result.pieces], np.int64)
    return {"vertices": np.concatenate(result.pieces), "counts": counts, "note": np.array(result.note)}


# eq=False: compared and hashed by identity, so that compiled scenes can be kept per object.
@dataclass(frozen=True, eq=False)
class SimObject:
    """What a simulation needs of an object.

    Attributes:
      pieces: vertices of each convex piece in the object frame, metres.
      inertial: of 1 kg of it; protocols scale it.
      note: what had to be assumed, for `status_reason`; "" for nothing.
    """

    pieces: tuple[Float[np.ndarray, "_ 3"], ...]
    inertial: Inertial
    note: str = ""

    @cached_property
    def slots(self) -> Slots:
        """The pieces as padded arrays about the centre of mass; see `sim_eval.solids.fill_slots`."""
        return fill_slots(self.pieces, self.inertial.com)


def sim_object(mesh: trimesh.Trimesh, convex: ConvexParams | None = None) -> SimObject:
    """Cut a mesh and weigh it.

    Args:
      mesh: outward faces, metres.
      convex: how to cut; `sim_eval.simobject.MJX_TEMPLATE` for backends that need it.

    Raises:
      ValueError: the object has no convex piece or no inertia.
    """
    cut = convex_pieces(mesh, convex)
    inertial = inertial_of(mesh, cut.pieces, 1.0)
    notes = [cut.note] if cut.note else []
    if inertial.source != "mesh":
        notes.append("mass and inertia of the convex pieces' union (mesh bounds no solid)")
    return SimObject(cut.pieces, inertial, "; ".join(notes))
