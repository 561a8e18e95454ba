"""Distances to the regions at a field's nodes: an accelerator's way gives what the k-d tree gives."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import pytest

from tests.refine.things import shape
from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine import regions
from zdg_jax.refine.regions import REGION_CELLS, region_rows_device, region_rows_host

Samples = tuple[np.ndarray, np.ndarray, np.ndarray]


def task(name: str, hand_over: float, func_over: float) -> tuple[SignedDistanceField, Samples]:
    """The regions are an end of the shape and one side of it, the second none of the first's samples."""
    field = shape(name).field
    points = shape(name).samples.points @ field.R_field_obj.T
    hand = points[:, 2] > hand_over
    return field, (points, hand, ~hand & (points[:, 0] > func_over))


def rows_of(tasks: list[tuple[SignedDistanceField, Samples]], fresh: list[int]) -> list[np.ndarray]:
    fields = [field for field, _ in tasks]
    none = [0] * len(fields)
    grid = Grid(
        *(jnp.asarray([getattr(f, name) for f in fields], jnp.float32) for name in ("origin", "spacing")),
        *(jnp.asarray(x, jnp.int32) for x in ([f.shape for f in fields], none, none)),
    )
    nodes = [math.prod(n + 1 for n in f.shape) for f in fields]
    rows = region_rows_device(grid, nodes, [samples for _, samples in tasks], fresh)
    return np.split(np.asarray(rows), len(tasks))


def halves(rows: np.ndarray) -> np.ndarray:
    return rows.view(np.float16).astype(np.float64)


def test_device_and_host_agree() -> None:
    tasks = [task("box", 0.02, 0.0), task("plate", 0.05, -0.02)]
    for (field, samples), got in zip(tasks, rows_of(tasks, [0, 1]), strict=True):
        want = region_rows_host(field, *samples)
        assert got.shape == (REGION_CELLS, 8)
        np.testing.assert_allclose(halves(got[: len(want)]), halves(want), rtol=2e-3, atol=1e-6)  # last bit


def test_rows_of_a_slot_that_nobody_reads_stay_empty() -> None:
    first, second, third = rows_of([task("box", 0.02, 0.0)] * 3, [0, 2])
    assert not second.any()
    np.testing.assert_array_equal(first, third)


@pytest.mark.parametrize("pairs", [1 << 27, 1 << 23])
def test_room_length_and_blocks_change_nothing(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: more room than a task needs, repeated samples, all nodes at once or some at a time."""
    one = task("box", 0.02, 0.0)
    (want,) = rows_of([one], [0])
    cells = math.prod(one[0].shape)
    regions._with_task.clear_cache()
    monkeypatch.setattr(regions, "_PAIRS", pairs)
    monkeypatch.setattr(regions, "_LENGTHS", (2048, 4096))
    monkeypatch.setattr(regions, "_NODES", (1 << 17, REGION_CELLS))
    (got,) = rows_of([one], [0])
    regions._with_task.clear_cache()
    np.testing.assert_array_equal(got[:cells], want[:cells])


def test_programs_are_few() -> None:
    """New tasks of the same size compile nothing."""
    rows_of([task("box", 0.02, 0.0), task("rod", 0.02, 0.0)], [0, 1])
    before = regions._with_task._cache_size()
    rows_of([task("rod", 0.05, 0.01), task("box", -0.03, -0.01)], [0, 1])
    assert regions._with_task._cache_size() == before
