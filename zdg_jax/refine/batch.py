"""Stacking tasks of many objects into the tables and targets of one compiled call."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zdg_jax.objects.lookup import Lattice
from zdg_jax.refine.problem import Problem
from zdg_jax.refine.regions import region_rows_device, region_rows_host
from zdg_jax.refine.targets import Tables, Targets

#: Room for fields: one object may take the first figure, many together the second each.
MAX_ENTRIES, MEAN_ENTRIES = 300_000, 200_000
MAX_ROWS, MEAN_ROWS = 4_000_000, 800_000
#: Room for the region distances of one task: no field has more coarse nodes (see `objects.field`).
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


def stack(problems: Sequence[Problem], slots: int, brute: bool) -> tuple[Tables, Targets]:
    """Tables and targets of up to `slots` tasks; the rest repeats the first.

    Args:
      problems: at least one; see `fits`.
      slots: tasks that the compiled call takes.
      brute: fill the region grids on the device (an accelerator) instead of by k-d tree.
    """
    size = room(slots)
    entries, rows = np.zeros(size[0], np.int32), np.zeros((size[1], 4), np.uint32)
    begin: dict[int, int] = {}
    at_entry = at_row = 0
    for p in problems:
        if id(p.field) in begin:
            continue
        begin[id(p.field)] = at_entry
        n, m = len(p.field.entries), len(p.field.rows)
        entries[at_entry : at_entry + n] = p.field.entries + 2 * at_row  # an entry is (row << 1) | refined
        rows[at_row : at_row + m] = p.field.rows
        at_entry, at_row = at_entry + n, at_row + m
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda p: p.object_samples, dict.fromkeys(problems)))  # some milliseconds each
    padded = [*problems, *[problems[0]] * (slots - len(problems))]
    numbers = {id(p): slot for slot, p in reversed(list(enumerate(padded)))}
    first = np.array([numbers[id(p)] for p in padded], np.int32)  # a task in several slots has one region
    lattice = Lattice(
        _f32([p.field.origin for p in padded]),
        _f32([p.field.spacing for p in padded]),
        _i32([p.field.shape for p in padded]),
        _i32([begin[id(p.field)] for p in padded]),
        _i32(REGION_CELLS * first),
    )
    targets = Targets(
        lattice=lattice,
        object_samples=_f32([p.object_samples for p in padded]),
        sample_weight=_f32([p.sample_weight for p in padded]),
        prior=_f32([p.prior for p in padded]),
        weights=_f32([p.weights for p in padded]),
        tolerance=_f32([p.tolerance for p in padded]),
    )
    return Tables(jnp.asarray(entries), jnp.asarray(rows), _region_rows(padded, first, lattice, brute)), (
        jax.tree.map(jnp.asarray, targets)
    )


def _region_rows(padded: list[Problem], first: np.ndarray, lattice: Lattice, brute: bool) -> jax.Array:
    fresh = first == np.arange(len(padded))
    if brute:
        samples = [_exactly(p, _POINTS) for p in padded]
        points, hand, func = (np.stack(x) for x in zip(*samples, strict=True))
        return region_rows_device(
            REGION_CELLS, jax.tree.map(jnp.asarray, lattice), _f32(points), hand, func, fresh
        )
    rows = np.zeros((len(padded) * REGION_CELLS, 8), np.uint32)
    for slot in np.flatnonzero(fresh):
        found = _host_rows(padded[slot])
        rows[slot * REGION_CELLS : slot * REGION_CELLS + len(found)] = found
    return jnp.asarray(rows)


@lru_cache(maxsize=1)  # a task that goes on in the next chunk is the last of this one
def _host_rows(p: Problem) -> np.ndarray:
    return region_rows_host(p.field, p.points, p.hand_mask, p.func_mask)


def _exactly(p: Problem, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The region's samples in arrays of a fixed length: repeated, or thinned evenly."""
    index = np.resize(np.arange(len(p.points)), n)
    if len(p.points) > n:
        index = np.linspace(0, len(p.points) - 1, n).astype(int)
    return p.points[index], p.hand_mask[index], p.func_mask[index]


def _f32(values: Any) -> Any:
    return np.asarray(values, np.float32)


def _i32(values: Any) -> Any:
    return np.asarray(values, np.int32)
