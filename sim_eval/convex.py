"""Convex pieces of an object for simulation (DESIGN §7), cached on disk."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import coacd
import fast_simplification
import numpy as np
import trimesh
from jaxtyping import Float
from manifold3d import Manifold

from sim_eval.pieces import few_vertices, merge_by_bulge, merge_pieces
from sim_eval.solids import as_manifold, hull_union, manifold_arrays, remeshed
from sim_eval.template import PIECES, VERTICES
from zdg_jax.cache import cached_arrays
from zdg_jax.objects.load import mesh_sha256

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("convex.py", "pieces.py", "solids.py"))
_SEARCH = {
    "merge": False, "preprocess_mode": "off", "resolution": 500, "mcts_nodes": 10, "mcts_iterations": 20,
    "mcts_max_depth": 2,
}  # fmt: skip
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
    if params.max_vertices is None:
        return ConvexPieces(tuple(merge_pieces(pieces, params.max_pieces)), note)
    pieces = merge_by_bulge(pieces, params.max_pieces, trimesh.Trimesh(vertices, faces, process=False))
    return ConvexPieces(tuple(few_vertices(pieces, params.max_pieces, params.max_vertices)), note)


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
