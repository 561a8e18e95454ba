"""Distances to the two regions of a task at the coarse nodes of its object's field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from scipy.spatial import KDTree

from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.samples import evenly
from zdg_jax.objects.sdf.build import pack_cells
from zdg_jax.objects.sdf.mesh_distance import grid_nodes
from zdg_jax.objects.sdf.query import Device, Grid
from zdg_jax.refine.problem import Problem

#: Room for one task: no field has more coarse nodes (see `objects.sdf.build`).
REGION_CELLS = 300_000
#: On an accelerator a task takes the first of each that holds it. So at most nine programs are ever compiled
#: for a number of slots, whatever the tasks: of 256 tasks on 64 scans half have a third of the nodes of the
#: largest, and half of their samples in no region.
_LENGTHS, _NODES = (1024, 2048, 4096), (1 << 16, 1 << 17, REGION_CELLS)
#: Nodes times samples at once; nothing of their product is ever stored where XLA fuses it.
_PAIRS = 1 << 27


def region_rows(
    problems: Sequence[Problem], first: Int[np.ndarray, " slots"], grid: Grid, device: Device
) -> UInt32[Array, "slots_cells 8"]:
    """Rows of all slots, `REGION_CELLS` each, on the default device.

    Args:
      problems: of every slot.
      first: the slot where each slot's problem stands first; rows of others are not looked at and stay 0.
      grid: of every slot.
      device: the default one: an accelerator measures by brute force, a CPU by k-d trees.
    """
    fresh = np.flatnonzero(first == np.arange(len(problems))).tolist()
    if device.platform == "cpu":
        rows = np.zeros((len(problems) * REGION_CELLS, 8), np.uint32)
        for slot in fresh:
            found = _host_rows(problems[slot])
            rows[slot * REGION_CELLS : slot * REGION_CELLS + len(found)] = found
        return jnp.asarray(rows)
    nodes = [math.prod(n + 1 for n in p.field.shape) for p in problems]
    samples = [(p.points, p.hand_mask, p.func_mask) for p in problems]
    return region_rows_device(grid, nodes, samples, fresh)


@lru_cache(maxsize=1)  # a task that goes on in the next batch is the last of this one
def _host_rows(p: Problem) -> np.ndarray:
    return region_rows_host(p.field, p.points, p.hand_mask, p.func_mask)


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


def region_rows_device(
    grid: Grid,
    nodes: Sequence[int],
    samples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    fresh: Sequence[int],
) -> UInt32[Array, "slots_cells 8"]:
    """The same for many tasks by brute force on the default device: every node against every sample.

    One call a task, into a table that is written in place: none waits for the one before it, no branch has
    the device ask the host, and each is as large as its own task. What is returned may still be under way.

    Args:
      grid: of every slot.
      nodes: of each grid.
      samples: points, M_hand^3d and P_func^3d of every slot, as in `region_rows_host`.
      fresh: slots whose rows are wanted; those of others stay 0.
    """
    slots, most = len(samples), _LENGTHS[-1]
    points, masks = np.zeros((slots, most, 3), np.float32), np.zeros((2, slots, most), bool)
    length = {}
    for slot in fresh:
        members = _members(*samples[slot][1:])
        length[slot] = next(n for n in _LENGTHS if n >= len(members))
        for every, own in zip((points, *masks), samples[slot], strict=True):
            every[slot, : len(members)] = own[members]  # what follows is in neither region
    table = jnp.zeros((slots * REGION_CELLS, 8), jnp.uint32)
    given = jax.tree.map(jnp.asarray, (grid, points, *masks))
    for slot in fresh:
        room = next((n for n in _NODES if n >= nodes[slot]), nodes[slot])
        table = _with_task(room, length[slot], table, np.int32(slot), *given)
    return table


def _members(hand: np.ndarray, func: np.ndarray) -> np.ndarray:
    """Samples of either region; of more than there is room for, evenly."""
    return evenly(np.flatnonzero(hand | func), _LENGTHS[-1])


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _with_task(
    room: int,
    length: int,
    table: UInt32[Array, "slots_cells 8"],
    slot: Int[Array, ""],
    grid: Grid,
    points: Float[Array, "slots most 3"],
    hand: Bool[Array, "slots most"],
    func: Bool[Array, "slots most"],
) -> UInt32[Array, "slots_cells 8"]:
    """The table with the rows of one slot, whose grid has at most `room` nodes, by its first samples."""
    one = jax.tree.map(lambda x: x[slot], grid)
    rows = _rows(room, one, *(x[slot, :length] for x in (points, hand, func)))
    return jax.lax.dynamic_update_slice_in_dim(table, rows[:REGION_CELLS], slot * REGION_CELLS, axis=0)


def _rows(room: int, grid: Grid, points: Array, hand: Array, func: Array) -> Array:
    nodes = grid.cells + 1
    blocks = -(-room * len(points) // _PAIRS)
    size = -(-room // blocks)
    i, j, k = _unflat(jnp.arange(blocks * size), nodes)
    where = grid.origin[None] + grid.spacing * jnp.stack([i, j, k], axis=1).astype(jnp.float32)

    def nearest(x: Array) -> Array:
        away = x[:, None, :] - points[None, :, :]
        square = jnp.sum(away * away, axis=2)
        return jnp.stack([jnp.min(jnp.where(m[None], square, jnp.inf), axis=1) for m in (hand, func)], axis=1)

    square = jax.lax.map(nearest, where.reshape(blocks, size, 3)).reshape(-1, 2)
    half = jax.lax.bitcast_convert_type(jnp.sqrt(square).astype(jnp.float16), jnp.uint16).astype(jnp.uint32)
    # cells are numbered by cells, nodes by nodes
    a, b, c = _unflat(jnp.arange(room), grid.cells)
    words = []
    for field in range(2):
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            first = ((a + dx) * nodes[1] + b + dy) * nodes[2] + c
            low, high = (half[jnp.minimum(first + dz, len(half) - 1), field] for dz in (0, 1))
            words.append(low | (high << 16))
    return jnp.stack(words, axis=1)


def _unflat(flat: Int[Array, " n"], shape: Int[Array, "3"]) -> tuple[Array, Array, Array]:
    return flat // (shape[1] * shape[2]), (flat // shape[2]) % shape[1], flat % shape[2]
