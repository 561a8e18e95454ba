"""Distances to the contact regions M_hand^3d and P_func^3d on a grid around the object (eqs. 6, 7)."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from scipy.spatial import KDTree

from zdg_jax.objects.field import pack_cells
from zdg_jax.objects.fields import grid_nodes
from zdg_jax.objects.lookup import Lattice
from zdg_jax.objects.model import SignedDistanceField

_AT_ONCE = 4096  # nodes against all samples


def region_rows_host(
    field: SignedDistanceField,
    points: Float[np.ndarray, "samples 3"],
    hand: Bool[np.ndarray, " samples"],
    func: Bool[np.ndarray, " samples"],
) -> UInt32[np.ndarray, "cells 8"]:
    """d(x) = min_q |x - q| at every coarse node by k-d tree, packed by cell: what a CPU does best.

    Args:
      field: gives the coarse nodes.
      points: surface samples, field frame, metres.
      hand, func: which of them are M_hand^3d and P_func^3d, each at least one.
    """
    shape = tuple(n + 1 for n in field.shape)
    nodes = grid_nodes(field.origin, field.spacing, shape)
    packed: list[np.ndarray] = []
    for mask in (hand, func):
        if packed and np.array_equal(hand, func):
            packed.append(packed[0])
            continue
        distance, _ = KDTree(points[mask]).query(nodes, workers=-1)
        packed.append(pack_cells(np.asarray(distance).reshape(1, *shape)))
    return np.concatenate(packed, axis=1)


@partial(jax.jit, static_argnums=0)
def region_rows_device(
    cells: int,
    lattice: Lattice,
    points: Float[Array, "p samples 3"],
    hand: Bool[Array, "p samples"],
    func: Bool[Array, "p samples"],
    fresh: Bool[Array, " p"],
) -> UInt32[Array, "p_cells 8"]:
    """The same for many tasks by brute force on an accelerator: every node against every sample.

    Args:
      cells: room for each task, at least the nodes of its lattice.
      lattice, points, hand, func: of p tasks.
      fresh: False where the rows are not looked at and stay 0.
    """

    def one(task: tuple) -> Array:
        *given, wanted = task
        empty = jnp.zeros((cells, 8), jnp.uint32)
        return jax.lax.cond(wanted, lambda: _rows(cells, *given), lambda: empty)

    each = jax.lax.map(one, (lattice, points, hand, func, fresh))
    return each.reshape(-1, 8)


def _rows(room: int, lattice: Lattice, points: Array, hand: Array, func: Array) -> Array:
    nodes = lattice.cells + 1
    i, j, k = _unflat(jnp.arange(-(-room // _AT_ONCE) * _AT_ONCE), nodes)
    where = lattice.origin[None] + lattice.spacing * jnp.stack([i, j, k], axis=1).astype(jnp.float32)

    def nearest(x: Array) -> Array:
        away = x[:, None, :] - points[None, :, :]
        square = jnp.sum(away * away, axis=2)
        return jnp.stack([jnp.min(jnp.where(m[None], square, jnp.inf), axis=1) for m in (hand, func)], axis=1)

    square = jax.lax.map(nearest, where.reshape(-1, _AT_ONCE, 3)).reshape(-1, 2)
    half = jax.lax.bitcast_convert_type(jnp.sqrt(square).astype(jnp.float16), jnp.uint16).astype(jnp.uint32)
    # cells are numbered by cells, nodes by nodes
    a, b, c = _unflat(jnp.arange(room), lattice.cells)
    words = []
    for field in range(2):
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            first = ((a + dx) * nodes[1] + b + dy) * nodes[2] + c
            low, high = (half[jnp.minimum(first + dz, len(half) - 1), field] for dz in (0, 1))
            words.append(low | (high << 16))
    return jnp.stack(words, axis=1)


def _unflat(flat: Int[Array, " n"], shape: Int[Array, "3"]) -> tuple[Array, Array, Array]:
    return flat // (shape[1] * shape[2]), (flat // shape[2]) % shape[1], flat % shape[2]
