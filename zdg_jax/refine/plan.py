"""Dealing any number of starts of any number of tasks into chunks of one fixed shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Int

from zdg_jax.refine.batch import REGION_CELLS, fits, room
from zdg_jax.refine.problem import Problem

if TYPE_CHECKING:
    Device = Any  # pyright takes jax.Device for a variable
else:
    Device = jax.Device

#: Starts that one slot takes at most.
SEEDS = 64
_FEWEST_SEEDS = 8  # below, tables would outweigh the grasps
#: Grasps a chunk: more are no faster, and on a CPU fewer stay in its cache.
_MOST_ON_CPU, _MOST = 128, 32768
#: Tables take at most this share of a device's memory: two chunks are there at a time.
_SHARE = 0.4
_UNTOLD_MEMORY = 2**30  # of a device that does not say, bytes


class Shape(NamedTuple):
    """What one compiled call takes: `slots` tasks on each of `devices` devices, `seeds` starts a slot."""

    devices: int
    slots: int
    seeds: int


@dataclass(frozen=True, eq=False)
class Chunk:
    """What goes into one call, device by device.

    Attributes:
      task: number of the task in each slot.
      row: which start, counted over all tasks.
      live: False where a start only fills its place.
    """

    task: Int[np.ndarray, " slots"]
    row: Int[np.ndarray, "slots seeds"]
    live: Bool[np.ndarray, "slots seeds"]


def rows_that_fit(device: Device) -> int:
    """Grasps that one chunk holds on this device."""
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


def seeds_a_slot(most: int, fewest: int) -> int:
    """Starts a slot for tasks of at most `most` starts, of which `fewest` are left at the end.

    One figure for all of a run, so that a large one has chunks of one shape before and after starts end.
    """
    return min(SEEDS, _power(most), max(_FEWEST_SEEDS, _power(fewest)))


def chunk_shape(counts: Sequence[int], devices: Sequence[Device], seeds: int) -> Shape:
    """The smallest shape, in powers of two, that takes all starts at once, or else as much as fits.

    Args:
      counts: starts of each task.
      devices: to be used; no more of them than there are slots to fill.
      seeds: starts a slot, a power of two.
    """
    slots = sum(-(-n // seeds) for n in counts)
    used = min(len(devices), slots)
    most = min(min(slots_that_fit(d), max(1, rows_that_fit(d) // seeds)) for d in devices)
    return Shape(used, min(most, _power(-(-slots // used))), seeds)


def plan(problems: Sequence[Problem], rows: Sequence[Int[np.ndarray, " _"]], shape: Shape) -> list[Chunk]:
    """Every start in exactly one place, tasks in order, a device's slots filled before the next one's.

    Args:
      problems: each small enough that `fits([problem], slots)`.
      rows: numbers of each task's starts.
      shape: of every chunk.
    """
    devices, slots, seeds = shape
    parts = [
        (task, mine[i : i + seeds]) for task, mine in enumerate(rows) for i in range(0, len(mine), seeds)
    ]
    groups: list[list[tuple[int, np.ndarray]]] = [[]]
    for part in parts:
        if not fits([problems[task] for task, _ in [*groups[-1], part]], slots):
            groups.append([])
        groups[-1].append(part)
    return [_chunk(groups[i : i + devices], shape) for i in range(0, len(groups), devices)]


def _chunk(groups: list[list[tuple[int, np.ndarray]]], shape: Shape) -> Chunk:
    devices, slots, seeds = shape
    task = np.empty((devices, slots), int)
    row = np.empty((devices, slots, seeds), int)
    live = np.zeros((devices, slots, seeds), bool)
    for device in range(devices):
        group = groups[device] if device < len(groups) else []
        for slot in range(slots):
            task[device, slot], mine = group[slot] if slot < len(group) else (group or groups[0])[0]
            row[device, slot] = mine[0]
            if slot < len(group):
                row[device, slot, : len(mine)] = mine
                live[device, slot, : len(mine)] = True
    return Chunk(task.reshape(-1), row.reshape(-1, seeds), live.reshape(-1, seeds))


def _power(n: int) -> int:
    return 1 << (n - 1).bit_length()
