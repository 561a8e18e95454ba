"""Convex pieces of an object for simulation (DESIGN §7), cached on disk."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path

import coacd
import fast_simplification
import numpy as np
import trimesh
from jaxtyping import Float
from manifold3d import Manifold
from scipy.spatial import ConvexHull

from sim_eval.solids import as_manifold, hull_union, manifold_arrays, remeshed
from zdg_jax.cache import cached_arrays
from zdg_jax.objects.load import mesh_sha256

_SOURCES = (Path(__file__), Path(__file__).with_name("solids.py"))
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


MJX_TEMPLATE = ConvexParams(max_pieces=16, max_vertices=32)


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


def merge_pieces(pieces: list[Float[np.ndarray, "_ 3"]], max_pieces: int) -> list[Float[np.ndarray, "_ 3"]]:
    """Merge convex pieces pairwise until at most `max_pieces` are left.

    Each step joins the neighbours (a, b) of least vol(hull(a ∪ b)) - vol(a) - vol(b); pieces are disjoint, so
    this is the volume of free space that is filled. Pieces whose boxes are more than 0.5 % of the object's
    size apart are no neighbours, unless no others are left.

    Args:
      pieces: vertices of each convex piece, metres.
      max_pieces: at least 1.

    Returns:
      Vertices of each remaining hull, metres.
    """
    hulls: dict[int, Manifold] = {i: Manifold.hull_points(p) for i, p in enumerate(pieces)}
    reach = 0.005 * float(np.ptp(np.concatenate(pieces), axis=0).max())
    cost: dict[tuple[int, int], float] = {}

    def price(i: int, j: int, near: bool = True) -> None:
        a, b = np.array(hulls[i].bounding_box()), np.array(hulls[j].bounding_box())
        if near and (np.maximum(a[:3], b[:3]) > np.minimum(a[3:], b[3:]) + reach).any():
            return
        joint = Manifold.batch_hull([hulls[i], hulls[j]])
        cost[i, j] = joint.volume() - hulls[i].volume() - hulls[j].volume()

    for i in hulls:
        for j in range(i):
            price(i, j)
    while len(hulls) > max_pieces:
        if not cost:
            for i, j in itertools.combinations(hulls, 2):
                price(i, j, near=False)
        i, j = min(cost, key=lambda pair: (cost[pair], pair))
        hulls[i] = Manifold.batch_hull([hulls[i], hulls.pop(j)])
        cost = {pair: c for pair, c in cost.items() if i not in pair and j not in pair}
        for other in hulls:
            if other != i:
                price(i, other)
    return [manifold_arrays(h)[0] for h in hulls.values()]


def limit_vertices(points: Float[np.ndarray, "n 3"], most: int) -> Float[np.ndarray, "_ 3"]:
    """At most `most` vertices of a hull, those that reach farthest first (qhull's own order, option TA)."""
    hull = ConvexHull(points)
    if len(hull.vertices) > most:
        hull = ConvexHull(points, qhull_options=f"Qt TA{most - 4}")
    return points[hull.vertices]


def _cut(mesh: trimesh.Trimesh, params: ConvexParams) -> ConvexPieces:
    solid, note = as_manifold(np.asarray(mesh.vertices), np.asarray(mesh.faces)), ""
    if solid is None:
        solid, note = remeshed(mesh), "convex pieces of the remeshed object (mesh bounds no solid)"
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
    pieces = merge_pieces(pieces, params.max_pieces)
    if params.max_vertices is not None:
        pieces = [limit_vertices(p, params.max_vertices) for p in pieces]
    return ConvexPieces(tuple(pieces), note)


def _simplified(solid: Manifold, faces: int) -> Manifold:
    """A solid of about so many faces. Going through `Manifold` parts sheets that touch; coacd needs that."""
    v, f = manifold_arrays(solid)
    if len(f) <= faces:
        return solid
    small = fast_simplification.simplify(v, f, target_count=faces, agg=5)
    return as_manifold(small[0].astype(np.float64), small[1].astype(np.int64)) or solid


def _bulge(pieces: list[np.ndarray], solid: Manifold) -> float:
    """Mean thickness by which the pieces stand out of the solid: (V_union - V) / A, metres."""
    return (hull_union(pieces).volume() - solid.volume()) / solid.surface_area()


def _coacd(vertices: np.ndarray, faces: np.ndarray, threshold: float, seed: int) -> list[np.ndarray]:
    coacd.set_log_level("error")
    cut = coacd.run_coacd(
        coacd.Mesh(vertices, faces), threshold=threshold, merge=False, seed=seed,
        preprocess_mode="off", resolution=500, mcts_nodes=10, mcts_iterations=20, mcts_max_depth=2,
    )  # fmt: skip
    pieces = [np.asarray(p[0], np.float64) for p in cut]
    return [p for p in pieces if Manifold.hull_points(p).volume() > 0]


def _key(mesh: trimesh.Trimesh, params: ConvexParams) -> str:
    return f"{mesh_sha256(mesh)} {dataclasses.astuple(params)}"


def _pack(result: ConvexPieces) -> dict[str, np.ndarray]:
    counts = np.array([len(p) for p in result.pieces], np.int64)
    return {"vertices": np.concatenate(result.pieces), "counts": counts, "note": np.array(result.note)}
