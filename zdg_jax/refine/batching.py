"""Dealing starts of many tasks into batches of one fixed shape, and stacking the tables of each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from zdg_jax.objects.sdf import query
from zdg_jax.objects.sdf.query import Device, Grid
from zdg_jax.refine.problem import Problem, Tables, Targets, deal_all
from zdg_jax.refine.regions import REGION_CELLS, region_rows

#: Starts that one slot takes at most.
MAX_STARTS = 64
_FEWEST_STARTS = 8  # below, tables would outweigh the grasps
#: Grasps a batch: more are no faster; on a CPU one core takes a batch, and the others the next ones.
_MOST_ON_CPU, _MOST = 16, 32768
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


def starts_per_slot(most: int, fewest: int, devices: Sequence[Device]) -> int:
    """Starts a slot for tasks of at most `most` starts, of which `fewest` are left at the end.

    One figure for all of a run, so that a large one has batches of one shape before and after starts end.
    """
    room = min(MAX_STARTS, *map(rows_that_fit, devices))
    return min(room, _power(most), max(_FEWEST_STARTS, _power(fewest)))


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
    held, left = set[int](), room(slots)  # fields of the last group, and what there is room for beside them
    for part in parts:
        field = problems[part[0]].field
        more = (0, 0) if id(field) in held else (len(field.entries), len(field.rows))
        if len(groups[-1]) == slots or more[0] > left[0] or more[1] > left[1]:
            groups.append([])
            held, left, more = set[int](), room(slots), (len(field.entries), len(field.rows))
        groups[-1].append(part)
        held.add(id(field))
        left = left[0] - more[0], left[1] - more[1]
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

    def regions() -> jax.Array:
        with jax.default_device(device):  # of the thread
            return region_rows(padded, first, grid, device)

    # a thread: so many calls are under way at most, and the next one waits, while this one can deal samples
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(regions)
        deal_all(problems)
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
            sent = jax.tree.map(jnp.asarray, targets)
        return Tables(entries, rows, coming.result()), sent


def _f32(values: Any) -> Any:
    return np.asarray(values, np.float32)


def _i32(values: Any) -> Any:
    return np.asarray(values, np.int32)
