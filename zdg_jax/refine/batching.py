"""Dealing starts of many tasks into batches of one fixed shape, and stacking the tables of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from scipy.spatial import KDTree

from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf import query
from zdg_jax.objects.sdf.build import pack_cells
from zdg_jax.objects.sdf.mesh_distance import grid_nodes
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.problem import Problem, Tables, Targets

if TYPE_CHECKING:
    Device = Any  # pyright takes jax.Device for a variable
else:
    Device = jax.Device

#: Starts that one slot takes at most.
MAX_STARTS = 64
_FEWEST_STARTS = 8  # below, tables would outweigh the grasps
#: Grasps a batch: more are no faster, and on a CPU fewer stay in its cache.
_MOST_ON_CPU, _MOST = 128, 32768
#: Tables take at most this share of a device's memory: two batches are there at a time.
_SHARE = 0.4
_UNTOLD_MEMORY = 2**30  # of a device that does not say, bytes


class Shape(NamedTuple):
    """What one call takes: `slots` tasks on each of `devices` devices, `num_starts` starts a slot."""

    devices: int
    slots: int
    num_starts: int


@dataclass(frozen=True, eq=False)
class Batch:
    """What goes into one call, device by device.

    Attributes:
      task: number of the task in each slot.
      row: which start, counted over all tasks.
      live: False where a start only fills its place.
    """

    task: Int[np.ndarray, " slots"]
    row: Int[np.ndarray, "slots num_starts"]
    live: Bool[np.ndarray, "slots num_starts"]


def rows_that_fit(device: Device) -> int:
    """Grasps that one batch holds on this device."""
    return _MOST_ON_CPU if device.platform == "cpu" else _MOST


def slots_that_fit(device: Device) -> int:
    """Tasks whose tables take at most their share of this device's memory; a power of two."""
    memory = _SHARE * ((device.memory_stats() or {}).get("bytes_limit") or _UNTOLD_MEMORY)
    slots = 1
    while table_bytes(2 * slots) <= memory:
        slots *= 2
    return slots


def table_bytes(slots: int) -> int:
    """Memory of `Tables` of so many slots."""
    entries, rows = room(slots)
    return 4 * entries + 16 * rows + 32 * REGION_CELLS * slots


def starts_per_slot(most: int, fewest: int) -> int:
    """Starts a slot for tasks of at most `most` starts, of which `fewest` are left at the end.

    One figure for all of a run, so that a large one has batches of one shape before and after starts end.
    """
    return min(MAX_STARTS, _power(most), max(_FEWEST_STARTS, _power(fewest)))


def batch_shape(counts: Sequence[int], devices: Sequence[Device], num_starts: int) -> Shape:
    """The smallest shape, in powers of two, that takes all starts at once, or else as much as fits.

    Args:
      counts: starts of each task.
      devices: to be used; no more of them than there are slots to fill.
      num_starts: starts a slot, a power of two.
    """
    slots = sum(-(-n // num_starts) for n in counts)
    used = min(len(devices), slots)
    most = min(min(slots_that_fit(d), max(1, rows_that_fit(d) // num_starts)) for d in devices)
    return Shape(used, min(most, _power(-(-slots // used))), num_starts)


def plan(problems: Sequence[Problem], rows: Sequence[Int[np.ndarray, " _"]], shape: Shape) -> list[Batch]:
    """Every start in exactly one place, tasks in order, a device's slots filled before the next one's.

    Args:
      problems: each small enough that `fits([problem], slots)`.
      rows: numbers of each task's starts.
      shape: of every batch.
    """
    devices, slots, num_starts = shape
    parts = [
        (task, mine[i : i + num_starts])
        for task, mine in enumerate(rows)
        for i in range(0, len(mine), num_starts)
    ]
    groups: list[list[tuple[int, np.ndarray]]] = [[]]
    for part in parts:
        if not fits([problems[task] for task, _ in [*groups[-1], part]], slots):
            groups.append([])
        groups[-1].append(part)
    return [_batch(groups[i : i + devices], shape) for i in range(0, len(groups), devices)]


def _batch(groups: list[list[tuple[int, np.ndarray]]], shape: Shape) -> Batch:
    devices, slots, num_starts = shape
    task = np.empty((devices, slots), int)
    row = np.empty((devices, slots, num_starts), int)
    live = np.zeros((devices, slots, num_starts), bool)
    for device in range(devices):
        group = groups[device] if device < len(groups) else []
        for slot in range(slots):
            task[device, slot], mine = group[slot] if slot < len(group) else (group or groups[0])[0]
            row[device, slot] = mine[0]
            if slot < len(group):
                row[device, slot, : len(mine)] = mine
                live[device, slot, : len(mine)] = True
    return Batch(task.reshape(-1), row.reshape(-1, num_starts), live.reshape(-1, num_starts))


def _power(n: int) -> int:
    return 1 << (n - 1).bit_length()


#: Room for fields: one object may take the first figure, many together the second each.
MAX_ENTRIES, MEAN_ENTRIES = 300_000, 200_000
MAX_ROWS, MEAN_ROWS = 4_000_000, 800_000
#: Room for the region distances of one task: no field has more coarse nodes (see `objects.sdf.build`).
REGION_CELLS = 300_000
_POINTS = 4096


def room(slots: int) -> tuple[int, int]:
    """(entries, rows) that the tables of a batch of so many tasks hold, whatever its objects."""
    return max(MAX_ENTRIES, slots * MEAN_ENTRIES), max(MAX_ROWS, slots * MEAN_ROWS)


def fits(problems: Sequence[Problem], slots: int) -> bool:
    """Whether these tasks go into one batch of `slots`."""
    fields = {id(p.field): p.field for p in problems}.values()
    entries, rows = room(slots)
    return (
        len(problems) <= slots
        and sum(len(f.entries) for f in fields) <= entries
        and sum(len(f.rows) for f in fields) <= rows
    )


def stack(problems: Sequence[Problem], slots: int, device: Device | None = None) -> tuple[Tables, Targets]:
    """Tables and targets of up to `slots` tasks; the rest repeats the first.

    Args:
      problems: at least one; see `fits`.
      slots: tasks that the compiled call takes.
      device: where to; the first local one by default. An accelerator keeps fields from call to call, and
        fills the region grids itself; on a CPU k-d trees do.
    """
    device = device or jax.local_devices()[0]
    entries, rows, begin = query.tables(device, room(slots), [p.field for p in problems])
    padded = [*problems, *[problems[0]] * (slots - len(problems))]
    numbers = {id(p): slot for slot, p in reversed(list(enumerate(padded)))}
    first = np.array([numbers[id(p)] for p in padded], np.int32)  # a task in several slots has one region
    grid = Grid(
        _f32([p.field.origin for p in padded]),
        _f32([p.field.spacing for p in padded]),
        _i32([p.field.shape for p in padded]),
        _i32([begin[id(p.field)] for p in padded]),
        _i32(REGION_CELLS * first),
    )
    targets = Targets(
        grid=grid,
        object_samples=_f32([p.object_samples for p in padded]),
        sample_weight=_f32([p.sample_weight for p in padded]),
        prior=_f32([p.prior for p in padded]),
        key_points=_f32([p.key_points for p in padded]),
        kind=_i32([p.kind for p in padded]),
        weights=_f32([p.weights for p in padded]),
        tolerance=_f32([p.tolerance for p in padded]),
    )
    with jax.default_device(device):
        return Tables(entries, rows, _region_rows(padded, first, grid, device)), (
            jax.tree.map(jnp.asarray, targets)
        )


def _region_rows(padded: list[Problem], first: np.ndarray, grid: Grid, device: Device) -> jax.Array:
    fresh = first == np.arange(len(padded))
    if device.platform != "cpu":
        points = np.empty((len(padded), _POINTS, 3), np.float32)
        masks = np.empty((2, len(padded), _POINTS), bool)
        for slot in np.flatnonzero(fresh):
            points[slot], masks[0, slot], masks[1, slot] = _exactly(padded[slot], _POINTS)
        nodes = max(math.prod(n + 1 for n in p.field.shape) for p in padded)
        most = -(-nodes // _AT_ONCE) * _AT_ONCE
        return region_rows_device(REGION_CELLS, most, jax.tree.map(jnp.asarray, grid), points, *masks, fresh)
    rows = np.zeros((len(padded) * REGION_CELLS, 8), np.uint32)
    for slot in np.flatnonzero(fresh):
        found = _host_rows(padded[slot])
        rows[slot * REGION_CELLS : slot * REGION_CELLS + len(found)] = found
    return jnp.asarray(rows)


@lru_cache(maxsize=1)  # a task that goes on in the next batch is the last of this one
def _host_rows(p: Problem) -> np.ndarray:
    return region_rows_host(p.field, p.points, p.hand_mask, p.func_mask)


def _exactly(p: Problem, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The region's samples in arrays of a fixed length: repeated, or thinned evenly."""
    if len(p.points) == n:
        return p.points, p.hand_mask, p.func_mask
    index = np.resize(np.arange(len(p.points)), n)
    if len(p.points) > n:
        index = np.linspace(0, len(p.points) - 1, n).astype(int)
    return p.points[index], p.hand_mask[index], p.func_mask[index]


def _f32(values: Any) -> Any:
    return np.asarray(values, np.float32)


def _i32(values: Any) -> Any:
    return np.asarray(values, np.int32)


_AT_ONCE = 32768  # nodes against all samples; nothing of their product is ever stored


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


@partial(jax.jit, static_argnums=(0, 1))
def region_rows_device(
    cells: int,
    most: int,
    grid: Grid,
    points: Float[Array, "p samples 3"],
    hand: Bool[Array, "p samples"],
    func: Bool[Array, "p samples"],
    fresh: Bool[Array, " p"],
) -> UInt32[Array, "p_cells 8"]:
    """The same for many tasks by brute force on an accelerator: every node against every sample.

    Args:
      cells: room for each task, at least the cells of its grid.
      most: no grid has more nodes.
      grid, points, hand, func: of p tasks.
      fresh: False where the rows are not looked at and stay 0.
    """

    def one(task: tuple) -> Array:
        *given, wanted = task
        empty = jnp.zeros((cells, 8), jnp.uint32)
        return jax.lax.cond(wanted, lambda: _rows(cells, most, *given), lambda: empty)

    each = jax.lax.map(one, (grid, points, hand, func, fresh))
    return each.reshape(-1, 8)


def _rows(room: int, most: int, grid: Grid, points: Array, hand: Array, func: Array) -> Array:
    nodes = grid.cells + 1
    i, j, k = _unflat(jnp.arange(-(-most // _AT_ONCE) * _AT_ONCE), nodes)
    where = grid.origin[None] + grid.spacing * jnp.stack([i, j, k], axis=1).astype(jnp.float32)

    def nearest(x: Array) -> Array:
        away = x[:, None, :] - points[None, :, :]
        square = jnp.sum(away * away, axis=2)
        return jnp.stack([jnp.min(jnp.where(m[None], square, jnp.inf), axis=1) for m in (hand, func)], axis=1)

    square = jax.lax.map(nearest, where.reshape(-1, _AT_ONCE, 3)).reshape(-1, 2)
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
