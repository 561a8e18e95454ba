"""Items through stages in threads: in order, several in the first stage at a time, and a failure ends all."""

from __future__ import annotations

import threading

import pytest

from pipelines.drivers.threads import overlapped


@pytest.mark.parametrize("at_once", [1, 3])
def test_every_item_in_order(at_once: int) -> None:
    seen: list[int] = []
    overlapped(range(20), (lambda x: x + 1, lambda x: 2 * x, seen.append), at_once=at_once)
    assert seen == [2 * (x + 1) for x in range(20)]


def test_one_stage_alone() -> None:
    seen: list[int] = []
    overlapped(range(5), (seen.append,))
    assert seen == list(range(5))


def test_two_are_in_the_first_stage_at_a_time_and_leave_in_order() -> None:
    both = threading.Barrier(2, timeout=60)
    seen: list[int] = []

    def first(x: int) -> int:
        both.wait()  # returns only if another item is here too
        return x

    overlapped(range(6), (first, seen.append), at_once=2)
    assert seen == list(range(6))


@pytest.mark.parametrize("at", [0, 1])
def test_a_failure_anywhere_ends_all(at: int) -> None:
    def bad(x: int) -> int:
        if x == 3:
            raise KeyError("the third")
        return x

    seen: list[int] = []
    stages = [lambda x: x, lambda x: x]
    stages[at] = bad
    with pytest.raises(KeyError, match="the third"):
        overlapped(range(50), (*stages, seen.append), at_once=2)
    assert seen == sorted(seen)
    assert 3 not in seen
