"""The reasoner behind every remote provider: cache, budget, limits, retries, wire, validation."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from zdg_jax.errors import UserError
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError, UnusableAnswer
from zdg_jax.reasoning.providers import asking, costs, faults, retry
from zdg_jax.reasoning.providers.cache import AnswerCache
from zdg_jax.reasoning.providers.io_loop import on_io, wait_on_io
from zdg_jax.reasoning.providers.limits import Limits
from zdg_jax.reasoning.providers.reading import read
from zdg_jax.reasoning.providers.secrets import hide
from zdg_jax.reasoning.providers.settings import Abilities, Settings, tables
from zdg_jax.reasoning.providers.wire import Fault, FaultKind, Reply, Usage, Wire, WireRequest

A = TypeVar("A", bound=BaseModel)

# Both are touched on the I/O loop only. Shared by all reasoners of the process: two of them must neither
# pay the same question at once nor have twice the limits.
_in_flight: dict[str, asyncio.Task[Answer[Any]]] = {}
_limits: dict[tuple[Any, ...], Limits] = {}


class RemoteReasoner:
    """Asks one model of one provider. Implements `Reasoner` (DESIGN §5)."""

    def __init__(
        self,
        wire: Wire,
        settings: Settings,
        abilities: Abilities,
        cache: AnswerCache,
        budget: costs.Budget,
    ) -> None:
        """Args:
        wire: the provider's API.
        settings: limits, time-outs, retries.
        abilities: of the model; the greatest output bounds the cost of a call.
        cache: where paid answers are kept.
        budget: shared by all reasoners of a run.

        Raises:
          UserError: the budget has a limit and the model's price is unknown.
        """
        self.name = f"{wire.name}:{wire.model}"
        self._wire, self._settings, self._abilities = wire, settings, abilities
        self._cache, self._budget = cache, budget
        self._price_group = wire.name.split("-")[0] if wire.official else "compatible"
        self._price = tables().price_of(self._price_group, wire.model)
        if budget.max_usd is not None and self._price is None:
            raise UserError(
                f"--max-usd with {self.name}, whose price is unknown",
                f"a price of {wire.model} for provider {self._price_group}",
                "add one to the file that ZDG_PROVIDERS names (docs/providers.md), or leave --max-usd out",
            )

    @property
    def wire(self) -> Wire:
        """The provider's API."""
        return self._wire

    @property
    def concurrency(self) -> int:
        """Requests that may be in flight."""
        return self._settings.concurrency

    async def ask(self, question: Question[A]) -> Answer[A]:
        """Answer one question, from the cache if it was ever paid.

        Raises:
          UnusableAnswer: the model answered, but not usably; ask again with the reason.
          ReasonerError: no answer could be had; see `Status`.
        """
        return await on_io(self._ask(question))

    def check(self) -> None:
        """Find a wrong key, an unknown model or an unreachable address before any work starts.

        Not done if the model answered before: then everything may come from the cache.

        Raises:
          UserError: one of these.
        """
        if self._cache.knows(self._wire.name, self._wire.model):
            return
        # A probe is two requests at most; twice as long again bounds a wire that keeps no limit of its own.
        longest = 4 * self._settings.connect_timeout_s
        try:
            fault = wait_on_io(self._wire.probe(), longest)
        except TimeoutError:
            fault = Fault(FaultKind.UNREACHABLE, f"no reply within {longest:g} s")
        if fault is not None:
            raise UserError(*faults.line(fault, self._wire))

    def close(self) -> None:
        """Close the connections."""
        wait_on_io(self._wire.close())

    async def _ask(self, question: Question[A]) -> Answer[A]:
        keys = asking.keys(question, self._wire)
        kept = self._kept(keys[0], question)
        if kept is not None:
            return kept
        task, first = _in_flight.get(keys[0]), False
        if task is None:
            first = True
            task = asyncio.ensure_future(self._pay(question, keys))
            _in_flight[keys[0]] = task
            task.add_done_callback(lambda done: _landed(keys[0], done))
        # Shielded: who waits along must not lose the answer because the first asker was cancelled.
        answer = await asyncio.shield(task)
        return answer if first else replace(answer, call=replace(answer.call, attempts=0))

    def _kept(self, key: str, question: Question[A]) -> Answer[A] | None:
        record = self._cache.get(key)
        if record is None:
            return None
        try:
            value = question.schema.model_validate(record[0])
        except ValidationError:  # damaged by hand
            return None
        return Answer(value, call=replace(record[1], attempts=0))

    async def _pay(self, question: Question[A], keys: list[str]) -> Answer[A]:
        request, started, tries = asking.wire_request(question), time.perf_counter(), 0

        async def once() -> Reply | Fault:
            nonlocal tries
            tries += 1
            return await self._send(request)

        outcome = await retry.policy(self._settings)(once)
        call = Call(
            stage=question.stage,
            provider=self._wire.name,
            model=self._wire.model,
            prompt_sha=asking.prompt_sha(question),
            attempts=tries,
            latency_s=round(time.perf_counter() - started, 4),
        )
        if isinstance(outcome, Fault):
            got, _, do = faults.line(outcome, self._wire)
            raise ReasonerError(faults.STATUS[outcome.kind], f"{got}; {do}; tries: {tries}", call)
        call = replace(
            call,
            model=hide(outcome.model),
            input_tokens=outcome.usage.input_tokens,
            output_tokens=outcome.usage.output_tokens,
            cached_tokens=outcome.usage.cached_tokens,
            cost_usd=self._cost(outcome),
        )
        value = read(outcome, question.schema)
        if isinstance(value, tuple):
            raise UnusableAnswer(*value, call)
        if question.judge is None or question.judge(value) is None:
            self._cache.put(keys, self._wire.model, value.model_dump(mode="json"), call)
        return Answer(value, call=call)

    async def _send(self, request: WireRequest) -> Reply | Fault:
        tokens = costs.estimated_tokens(request) + self._abilities.max_output_tokens
        async with self._limits().place(tokens) as taken:
            worst = 0.0
            if self._price is not None:
                worst = costs.worst_cost(self._price, request, self._abilities.max_output_tokens)
            self._budget.reserve(worst)
            spent = 0.0
            try:
                outcome = await self._sent(request)
                used = outcome.usage if isinstance(outcome, Reply) else Usage(0, 0)
                if used.input_tokens is not None and used.output_tokens is not None:
                    taken.amount = used.input_tokens + used.output_tokens
                if isinstance(outcome, Reply):
                    # Where the provider does not say, the limit on money takes the worst for true.
                    cost = self._cost(outcome)
                    spent = worst if cost is None else cost
            finally:
                self._budget.settle(worst, spent)
        return outcome

    async def _sent(self, request: WireRequest) -> Reply | Fault:
        try:
            return await self._wire.send(request)
        except Exception as error:  # an SDK that stumbles over a strange body must not end a batch
            return faults.plain_fault(FaultKind.GARBLED, error)

    def _cost(self, reply: Reply) -> float | None:
        price = tables().price_of(self._price_group, reply.model, self._wire.model)
        return costs.cost_usd(price, reply.usage)

    def _limits(self) -> Limits:
        settings = self._settings
        numbers = (settings.concurrency, settings.requests_per_min, settings.tokens_per_min)
        key = (self._wire.name.split("-")[0], self._wire.address, *numbers)
        if key not in _limits:
            _limits[key] = Limits(*numbers)
        return _limits[key]


def requests_in_flight() -> int:
    """Requests of this process that were sent and not yet answered."""
    return sum(limits.held for limits in list(_limits.values()))


def _landed(key: str, task: asyncio.Task[Answer[Any]]) -> None:
    _in_flight.pop(key, None)
    if not task.cancelled():
        task.exception()  # seen, even if every asker has gone
