"""What calls may cost: prices, the limit on money, and how much is asked at a time and per minute."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.catalogue import Price
from zdg_jax.reasoning.models.exchange import Usage, WireRequest
from zdg_jax.reasoning.protocol import ReasonerError
from zdg_jax.status import Status

_MILLION = 1e6
_TOKENS_PER_IMAGE = 1500  # a 1024 x 512 picture at high detail; an upper estimate for the models in the table
_BYTES_PER_TOKEN = 3


def cost_usd(price: Price | None, usage: Usage) -> float | None:
    """USD of one call; None if the price or a number of tokens is unknown.

    Args:
      price: of the model.
      usage: input tokens include the cached ones.
    """
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = usage.cached_tokens or 0
    if cached and price.cached is None:
        return None
    fresh = usage.input_tokens - cached
    return (
        fresh * price.input + cached * (price.cached or 0.0) + usage.output_tokens * price.output
    ) / _MILLION


def estimated_tokens(request: WireRequest) -> int:
    """Input tokens of a request, rather too many than too few."""
    return len(request.text.encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_IMAGE * len(request.images)


def worst_cost(price: Price, request: WireRequest, max_output_tokens: int) -> float:
    """USD that a request costs if the model writes as much as it may."""
    return (estimated_tokens(request) * price.input + max_output_tokens * price.output) / _MILLION


def task_usd(
    price: Price | None, calls: float | int, input_tokens: float | int, output_tokens: float | int
) -> float | None:
    """USD of one task; None if the price is unknown.

    Args:
      price: of the model.
      calls: requests of the task.
      input_tokens, output_tokens: of one request.
    """
    if price is None:
        return None
    return calls * (input_tokens * price.input + output_tokens * price.output) / _MILLION


class Budget:
    """A limit on what one run spends. A request is sent only if even its worst case fits."""

    def __init__(self, max_usd: float | int | None) -> None:
        if max_usd is not None and not 0 < max_usd < float("inf"):
            raise UserError(f"--max-usd {max_usd}", "a positive number", "choose another limit")
        self.max_usd = max_usd
        self.spent = 0.0
        self._reserved = 0.0
        self._stopped = ""
        self._lock = threading.Lock()

    def reserve(self, amount: float | int) -> None:
        """Set an amount aside before a request.

        Raises:
          ReasonerError: `budget_exhausted`, if what was spent and set aside leaves too little;
            `price_unknown` after `stop`.
        """
        with self._lock:
            if self._stopped:
                raise ReasonerError(Status.PRICE_UNKNOWN, self._stopped)
            if self.max_usd is not None and self.spent + self._reserved + amount > self.max_usd:
                raise ReasonerError(
                    Status.BUDGET_EXHAUSTED,
                    f"spent ${self.spent:.4f} and the next call may cost ${amount:.4f}, which could pass "
                    f"--max-usd {self.max_usd:g}; the same command goes on from here, "
                    "answers that are paid come from the cache",
                )
            self._reserved += amount

    def is_crowded(self, amount: float | int) -> bool:
        """Whether an amount does not fit now, and would if all that is set aside came back."""
        with self._lock:
            if self.max_usd is None or self._stopped:
                return False
            free = self.max_usd - self.spent
            return self._reserved + amount > free >= amount

    def stop(self, reason: str) -> None:
        """Let nothing more be sent: what was answered has no price, so the limit can't be kept."""
        with self._lock:
            self._stopped = self._stopped or reason

    def settle(self, reserved: float | int, cost: float | int) -> None:
        """Replace what was set aside by what it was."""
        with self._lock:
            self._reserved -= reserved
            self.spent += cost


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
