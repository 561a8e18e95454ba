"""Concurrency, requests and tokens per minute."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.reasoning.providers.conftest import Make, Start
from tests.reasoning.providers.fakes import settings_file
from tests.reasoning.providers.questions import question
from zdg_jax.reasoning.providers.limits import Limits, Window


def test_a_window_lets_through_what_it_may_and_no_more() -> None:
    async def times() -> list[float]:
        window, started, taken = Window(5, seconds=0.5), time.monotonic(), []

        async def one() -> None:
            await window.take(1)
            taken.append(time.monotonic() - started)

        await asyncio.gather(*(one() for _ in range(12)))
        return taken

    taken = sorted(asyncio.run(times()))
    assert taken[4] < 0.3
    for start_, sixth in zip(taken, taken[5:], strict=False):
        assert sixth - start_ >= 0.499  # never six within half a second
    assert taken[-1] < 2.5


def test_a_corrected_amount_counts() -> None:
    async def run() -> float:
        window, started = Window(100, seconds=0.5), time.monotonic()
        first = await window.take(90)
        first.amount = 10  # less was used than thought
        await window.take(80)
        return time.monotonic() - started

    assert asyncio.run(run()) < 0.3


def test_more_than_the_limit_waits_for_an_empty_window_and_then_goes() -> None:
    async def run() -> float:
        window, started = Window(10, seconds=0.3), time.monotonic()
        await window.take(5)
        await window.take(50)
        return time.monotonic() - started

    assert 0.3 <= asyncio.run(run()) < 2


def test_places_are_limited() -> None:
    async def run() -> int:
        limits, inside, most = Limits(3), 0, 0

        async def one() -> None:
            nonlocal inside, most
            async with limits.place(1):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)
                inside -= 1

        await asyncio.gather(*(one() for _ in range(20)))
        return most

    assert asyncio.run(run()) == 3


@pytest.mark.parametrize("tables", [{"settings": {"concurrency": 2}}])
def test_a_provider_sees_no_more_than_its_places(
    tables: dict, start: Start, make: Make, tmp_path: Path
) -> None:
    settings_file(tmp_path, **tables)
    local = start(latency=0.15)
    one, other = make("openai-chat:m"), make("openai-responses:m")  # one provider, one set of limits

    async def ask_all() -> None:
        await asyncio.gather(*(r.ask(question(n)) for r in (one, other) for n in range(4)))

    asyncio.run(ask_all())
    spans = [(entry["at"], entry["answered"] - 0.01) for entry in local.log()]
    assert len(spans) == 8
    assert max(sum(a <= at <= b for a, b in spans) for at, _ in spans) <= 2
