from __future__ import annotations

from functools import cache
from unittest.mock import Mock

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.refine.things import grasp_on, shape
from zdg_jax.hands import load_hand
from zdg_jax.refine import RefineConfig, batching
from zdg_jax.refine.batching import Shape, batch_shape, starts_per_slot
from zdg_jax.refine.problem import Problem, build_problem


@cache
def problems() -> list[Problem]:
    names = ("box", "rod", "plate")
    hand = load_hand("human16")
    return [build_problem(hand, shape(n), grasp_on(shape(n)), RefineConfig()) for n in names]


def rows_of(counts: list[int]) -> list[np.ndarray]:
    ends = np.cumsum(counts)
    return [np.arange(end - n, end) for end, n in zip(ends, counts, strict=True)]


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    devices=st.integers(1, 3),
    slots=st.sampled_from([1, 2, 4]),
    num_starts=st.sampled_from([1, 4, 8]),
)
@settings(max_examples=40)
def test_every_start_is_dealt_once_and_sits_with_its_own_task(
    counts: list[int], devices: int, slots: int, num_starts: int
) -> None:
    rows = rows_of(counts)
    batches = batching.plan(problems()[: len(counts)], rows, Shape(devices, slots, num_starts))
    dealt = np.concatenate([c.row[c.live] for c in batches])
    np.testing.assert_array_equal(np.sort(dealt), np.arange(sum(counts)))
    for batch in batches:
        assert batch.row.shape == (devices * slots, num_starts)
        for task, row in zip(batch.task, batch.row, strict=True):
            assert np.isin(row, rows[task]).all()


def test_a_thousand_starts_in_batches_of_16_on_a_cpu() -> None:
    """Whatever the machine: another shape rounds otherwise, and cores must not decide which grasps come."""
    cpu = jax.devices()[:1]
    shape = batch_shape([1000], cpu, starts_per_slot(1000, 1000, cpu))
    assert shape == (1, 1, 16)
    batches = batching.plan(problems()[:1], rows_of([1000]), shape)
    assert [int(c.live.sum()) for c in batches] == [16] * 62 + [8]
    np.testing.assert_array_equal(np.concatenate([c.row[c.live] for c in batches]), np.arange(1000))


def test_a_batch_holds_no_more_than_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields of two objects do not fit together; two tasks of one object share theirs."""
    most = max(len(p.field.rows) for p in problems())
    monkeypatch.setattr("zdg_jax.refine.batching.MAX_ROWS", most)
    monkeypatch.setattr("zdg_jax.refine.batching.MEAN_ROWS", most // 4)
    box, _, plate = problems()
    batches = batching.plan([box, box, plate], rows_of([4, 4, 4]), Shape(1, 4, 4))
    assert [c.live.sum() for c in batches] == [8, 4]


def device(memory: int | None, platform: str = "gpu") -> Mock:
    stats = None if memory is None else {"bytes_limit": memory}
    return Mock(spec=jax.Device, platform=platform, memory_stats=lambda: stats)


@pytest.mark.parametrize("gigabytes", [8, 24, 80, 141])
def test_tables_leave_most_of_the_memory(gigabytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = gigabytes * 10**9
    slots = batching.slots_that_fit(device(memory))
    assert batching.table_bytes(slots) <= 0.4 * memory < batching.table_bytes(2 * slots)
    shape = batch_shape([64] * 100_000, [device(memory)], 64)
    assert shape.slots * shape.num_starts <= 32768
    assert shape.slots == min(512, slots)


def test_small_calls_get_small_shapes() -> None:
    cpu = [device(None, "cpu")] * 4
    assert batch_shape([4], cpu, starts_per_slot(4, 4, cpu)) == (1, 1, 4)
    assert batch_shape([3, 4, 4], cpu[:1], starts_per_slot(4, 4, cpu)) == (1, 4, 4)
    assert batch_shape([16] * 9, cpu, 16) == (4, 1, 16)
    gpu = [device(80 * 10**9)] * 4
    assert batch_shape([64] * 9, gpu, 64) == (4, 4, 64)
    assert starts_per_slot(100, 100, gpu) == 64
    assert starts_per_slot(64, 16, gpu) == 16  # three quarters of the starts will end early
    assert starts_per_slot(64, 1, gpu) == 8
    assert starts_per_slot(2, 1, gpu) == 2
    assert starts_per_slot(100, 100, cpu) == 16
