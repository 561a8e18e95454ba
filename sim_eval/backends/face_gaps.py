"""Gap of every point to every convex piece along its best face normal: most arithmetic of a step of MJX.

On CUDA a kernel keeps points in registers and passes over the faces, each read once; XLA's own reduction
reads all faces again for every point and takes 2.6 times as long (one H100, 158 points).
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zdg_jax._ptx import fma, fused

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
