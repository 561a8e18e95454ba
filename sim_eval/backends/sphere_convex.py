"""Spheres against padded convex pieces in JAX: exact distances, the nearest pairs as contacts."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sim_eval.solids import Slots
from zdg_jax._ptx import fma, fused

# Gap of every point to every convex piece along its best face normal: most arithmetic of a step of MJX.
#
# On CUDA a kernel keeps points in registers and passes over the faces, each read once; XLA's own reduction
# reads all faces again for every point and takes 2.6 times as long (one H100, 158 points).
#: Points of one program of the kernel, and faces it reads in a round.
_POINTS, _ROUND = 128, 4


@jax.custom_batching.custom_vmap
def face_gaps(
    x: Float[Array, "points 3"],
    normal: Float[Array, "pieces faces 3"],
    offset: Float[Array, "pieces faces"],
) -> Float[Array, "points pieces"]:
    """h = max_f (n_f . x - o_f): exact where x faces or is inside a face, a lower bound beside an edge.

    Args:
      x: metres.
      normal: outward unit normals; zero where there is none.
      offset: n . y of a face's points y, metres.
    """
    return _gaps(x[None], normal[None], offset[None])[0]


@face_gaps.def_vmap
def _many(rows: int, batched: Any, *arrays: Array) -> tuple[Array, bool]:
    full = (
        a if own else jnp.broadcast_to(a[None], (rows, *a.shape))
        for a, own in zip(arrays, batched, strict=True)
    )  # fmt: skip
    return _gaps(*full), True


def _gaps(
    x: Float[Array, "rows points 3"],
    normal: Float[Array, "rows pieces faces 3"],
    offset: Float[Array, "rows pieces faces"],
) -> Float[Array, "rows points pieces"]:
    return jax.lax.platform_dependent(x, normal, offset, cuda=gaps_kernel, default=gaps_plain)


def gaps_plain(
    x: Float[Array, "rows points 3"],
    normal: Float[Array, "rows pieces faces 3"],
    offset: Float[Array, "rows pieces faces"],
) -> Float[Array, "rows points pieces"]:
    """By XLA."""
    a, b, c = (x[:, :, k, None, None] for k in range(3))
    n = normal[:, None]
    return jnp.max(a * n[..., 0] + b * n[..., 1] + c * n[..., 2] - offset[:, None], axis=3)


def gaps_kernel(
    x: Float[Array, "rows points 3"],
    normal: Float[Array, "rows pieces faces 3"],
    offset: Float[Array, "rows pieces faces"],
    interpret: bool = False,
) -> Float[Array, "rows points pieces"]:
    """By a Pallas kernel, faces a multiple of four; `interpret` runs its steps as plain XLA, anywhere."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as plgpu

    rows, points, _ = x.shape
    pieces, faces = offset.shape[1:]
    if faces % _ROUND:
        raise ValueError(f"got {faces} faces a piece; expected a multiple of {_ROUND}")
    tiles = -(-points // _POINTS)
    room = jnp.pad(x, ((0, 0), (0, tiles * _POINTS - points), (0, 0)))
    out = pl.pallas_call(
        partial(_program, pieces, faces, tiles, not interpret),
        grid=(rows * tiles, pieces),
        out_shape=jax.ShapeDtypeStruct((rows * pieces * tiles * _POINTS,), jnp.float32),
        compiler_params=plgpu.CompilerParams(num_warps=1, num_stages=1),
        interpret=interpret,
        name="face_gaps",
    )(jnp.moveaxis(room, 2, 1).reshape(-1), normal.reshape(-1), offset.reshape(-1))
    return jnp.moveaxis(out.reshape(rows, pieces, -1)[:, :, :points], 1, 2)


def _program(pieces: int, faces: int, tiles: int, cuda: bool, *refs: Any) -> None:
    from jax.experimental import pallas as pl

    x, normal, offset, out = refs
    with fused() if cuda else nullcontext():
        row, tile, piece = pl.program_id(0) // tiles, pl.program_id(0) % tiles, pl.program_id(1)
        lane = tile * _POINTS + jnp.arange(_POINTS)
        room = tiles * _POINTS
        a, b, c = (x[(row * 3 + k) * room + lane] for k in range(3))
        first = (row * pieces + piece) * faces

        def faces_of(i: Array, best: Array) -> Array:
            for f in range(_ROUND):
                at = first + i * _ROUND + f
                h = fma(a, normal[at * 3], -offset[at])
                h = fma(b, normal[at * 3 + 1], h)
                best = jnp.maximum(best, fma(c, normal[at * 3 + 2], h))
            return best

        best = jax.lax.fori_loop(0, faces // _ROUND, faces_of, jnp.full(_POINTS, -jnp.inf, jnp.float32))
        out[(row * pieces + piece) * room + lane] = best


#: Pieces that one sphere can touch at once.
_PER_SPHERE = 4


class Touch(NamedTuple):
    """The contacts of one grasp, nearest candidates first; pairs far apart are listed too.

    Attributes:
      dist: gap, negative where they overlap, metres.
      pos: midway between the two surfaces, frame of the pieces.
      normal: from sphere to piece, frame of the pieces.
      sphere: which sphere.
    """

    dist: Float[Array, " contacts"]
    pos: Float[Array, "contacts 3"]
    normal: Float[Array, "contacts 3"]
    sphere: Int[Array, " contacts"]


def touches(
    centre: Float[Array, "spheres 3"], radius: Float[Array, " spheres"], slots: Slots, contacts: int
) -> Touch:
    """The `contacts` nearest sphere-piece pairs, at most four pieces a sphere, and their exact distance.

    Pairs are ranked by h = max_f (n_f . x - o_f) - r, the gap along the best face normal: exact for a sphere
    that faces or overlaps a face, a lower bound beside an edge. For the chosen ones the distance is
    |x - closest point| - r outside, max_f (n_f . x - o_f) - r inside, as GJK and EPA give it in C MuJoCo.

    Args:
      centre: sphere centres in the frame of the slots, metres.
      radius: metres.
      slots: of one object.
      contacts: how many pairs.
    """
    n, o = slots.normal, slots.offset
    gap: Array = face_gaps(centre, n, o) - radius[:, None]
    candidates = []
    for _ in range(_PER_SPHERE):
        piece = jnp.argmin(gap, axis=1)
        candidates.append((jnp.min(gap, axis=1), piece))
        gap = jnp.where(jnp.arange(gap.shape[1])[None] == piece[:, None], jnp.inf, gap)
    reach = jnp.concatenate([c[0] for c in candidates])
    piece = jnp.concatenate([c[1] for c in candidates])
    _, order = jax.lax.top_k(-reach, contacts)
    sphere, piece = order % len(radius), piece[order]
    dist, pos, normal = jax.vmap(_pair)(
        centre[sphere], radius[sphere], n[piece], o[piece], slots.corner[piece]
    )
    return Touch(dist, pos, normal, sphere)


def _pair(
    x: Float[Array, "3"], r: Float[Array, ""], n: Float[Array, "faces 3"], o: Float[Array, " faces"],
    corner: Float[Array, "faces 3 3"],
) -> tuple[Float[Array, ""], Float[Array, "3"], Float[Array, "3"]]:  # fmt: skip
    plane = jnp.sum(n * x[None], axis=1) - o
    face = jnp.argmax(plane)
    deepest, n_face = plane[face], n[face]
    near = closest_point(x, corner)
    away = near - x[None]
    d2 = jnp.sum(away * away, axis=1)
    best = jnp.argmin(d2)
    d = jnp.sqrt(jnp.maximum(d2[best], 1e-20))
    outside = (deepest > 0) & (d > 1e-7)
    distance = jnp.where(outside, d, deepest)
    normal = jnp.where(outside, away[best] / d, -n_face)
    # halfway between the sphere's surface (x + r n) and the piece's (x + distance n)
    return distance - r, x + 0.5 * (r + distance) * normal, normal


def closest_point(x: Float[Array, "3"], corner: Float[Array, "faces 3 3"]) -> Float[Array, "faces 3"]:
    """Closest point to x on each triangle, by the regions of its corners and edges (Ericson 2005, 5.1.5)."""
    a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
    ab, ac = b - a, c - a

    def dot(u: Array, v: Array) -> Array:
        return jnp.sum(u * v, axis=-1)

    ap, bp, cp = x[None] - a, x[None] - b, x[None] - c
    d1, d2, d3, d4, d5, d6 = dot(ab, ap), dot(ac, ap), dot(ab, bp), dot(ac, bp), dot(ab, cp), dot(ac, cp)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    inside = jnp.maximum(va + vb + vc, 1e-30)
    v, w = vb / inside, vc / inside

    def share(u: Array, whole: Array) -> Array:
        return u / jnp.where(jnp.abs(whole) > 1e-30, whole, 1.0)

    # later tests win, so the corners come last
    bc, one, zero = share(d4 - d3, (d4 - d3) + (d5 - d6)), jnp.ones_like(v), jnp.zeros_like(v)
    on_bc = (va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0)
    v, w = jnp.where(on_bc, 1 - bc, v), jnp.where(on_bc, bc, w)
    on_ac = (vb <= 0) & (d2 >= 0) & (d6 <= 0)
    v, w = jnp.where(on_ac, zero, v), jnp.where(on_ac, share(d2, d2 - d6), w)
    on_ab = (vc <= 0) & (d1 >= 0) & (d3 <= 0)
    v, w = jnp.where(on_ab, share(d1, d1 - d3), v), jnp.where(on_ab, zero, w)
    at_c = (d6 >= 0) & (d5 <= d6)
    v, w = jnp.where(at_c, zero, v), jnp.where(at_c, one, w)
    at_b = (d3 >= 0) & (d4 <= d3)
    v, w = jnp.where(at_b, one, v), jnp.where(at_b, zero, w)
    at_a = (d1 <= 0) & (d2 <= 0)
    v, w = jnp.where(at_a, zero, v), jnp.where(at_a, zero, w)
    return a + v[:, None] * ab + w[:, None] * ac
