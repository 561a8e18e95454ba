"""How much one provider is asked at a time and per minute."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

WINDOW = 60.0


@dataclass
class Spent:
    """An amount taken from a window; `amount` may be corrected once the truth is known."""

    at: float
    amount: float | int


class Window:
    """At most `limit` in any `seconds`; a bucket that refills would let twice that through at the start."""

    def __init__(
        self,
        limit: float | int | None,
        seconds: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._limit, self._seconds, self._clock, self._sleep = limit, seconds, clock, sleep
        self._spent: deque[Spent] = deque()
        self._turn = asyncio.Lock()  # first come, first served

    async def take(self, amount: float | int) -> Spent:
        """Wait until the amount fits; one that exceeds the limit by itself waits for an empty window."""
        if self._limit is None:
            return Spent(self._clock(), amount)
        async with self._turn:
            while (wait := self._wait(amount)) > 0:
                await self._sleep(wait)
            spent = Spent(self._clock(), amount)
            self._spent.append(spent)
            return spent

    def _wait(self, amount: float | int) -> float:
        assert self._limit is not None
        now = self._clock()
        while self._spent and now - self._spent[0].at >= self._seconds:
            self._spent.popleft()
        over = sum(spent.amount for spent in self._spent) + min(amount, self._limit) - self._limit
        for spent in self._spent:
            if over <= 0:
                return 0.0
            over -= spent.amount
            wait = spent.at + self._seconds - now
            if over <= 0:
                return max(wait, 1e-3)
        return 0.0


class Limits:
    """One provider's limits, shared by everybody in this process who asks it."""

    def __init__(
        self, concurrency: int, requests_per_min: int | None = None, tokens_per_min: int | None = None
    ) -> None:
        self.held = 0
        """Places taken: requests that were sent and not yet answered."""
        self._places = asyncio.Semaphore(concurrency)
        self._requests = Window(requests_per_min)
        self._tokens = Window(tokens_per_min)

    @asynccontextmanager
    async def place(self, tokens: float | int) -> AsyncIterator[Spent]:
        """Hold one of the places, once requests and tokens per minute allow it.

        Args:
          tokens: estimated.
        Yields:
          the record of the tokens; set its `amount` to the true number when it is known.
        """
        async with self._places:
            await self._requests.take(1)
            spent = await self._tokens.take(tokens)
            self.held += 1
            try:
                yield spent
            finally:
                self.held -= 1
