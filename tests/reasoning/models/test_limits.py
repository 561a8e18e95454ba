"""Concurrency, requests and tokens per minute."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import settings_file
from tests.reasoning.models.questions import question
from zdg_jax.reasoning.models.budget import Limits, Window


class FakeTime:
    """A clock that moves only when somebody sleeps."""

    now = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    def window(self, limit: int, seconds: float) -> Window:
        return Window(limit, seconds, self.clock, self.sleep)


def test_a_window_lets_through_what_it_may_and_no_more() -> None:
    time, taken = FakeTime(), list[float]()

    async def scene() -> None:
        window = time.window(5, 0.5)

        async def one() -> None:
            await window.take(1)
            taken.append(time.now)

        await asyncio.gather(*(one() for _ in range(12)))

    asyncio.run(scene())
    assert taken == [0.0] * 5 + [0.5] * 5 + [1.0] * 2  # never six within half a second


def test_a_corrected_amount_counts() -> None:
    time = FakeTime()

    async def scene() -> None:
        window = time.window(100, 0.5)
        first = await window.take(90)
        first.amount = 10  # less was used than thought
        await window.take(80)

    asyncio.run(scene())
    assert time.now == 0.0


def test_more_than_the_limit_waits_for_an_empty_window_and_then_goes() -> None:
    time = FakeTime()

    async def scene() -> None:
        window = time.window(10, 0.25)
        await window.take(5)
        await window.take(50)

    asyncio.run(scene())
    assert time.now == 0.25


def test_places_are_limited() -> None:
    async def run() -> int:
        limits, inside, most = Limits(3), 0, 0

        async def one() -> None:
            nonlocal inside, most
            async with limits.place(1):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
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
    spans = [(entry["at"], entry["answered"]) for entry in local.log()]
    assert len(spans) == 8
    assert max(sum(a <= at <= b for a, b in spans) for at, _ in spans) <= 2
