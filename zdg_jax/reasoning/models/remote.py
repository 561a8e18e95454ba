"""The reasoner behind every remote provider: cache, budget, limits, retries, wire, validation."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from zdg_jax.errors import MachineError, UserError
from zdg_jax.reasoning.models import budget, exchange, faults
from zdg_jax.reasoning.models.answer_cache import AnswerCache
from zdg_jax.reasoning.models.batch_collector import Collector
from zdg_jax.reasoning.models.budget import Budget, Limits
from zdg_jax.reasoning.models.catalogue import Price
from zdg_jax.reasoning.models.exchange import (
    Fault,
    FaultKind,
    Reply,
    Usage,
    Wire,
    WireRequest,
    last_object,
    read,
)
from zdg_jax.reasoning.models.faults import Adapter, starved
from zdg_jax.reasoning.models.settings import Abilities, Settings, hide, tables
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError, UnusableAnswer
from zdg_jax.status import Status

_log = logging.getLogger(__name__)
A = TypeVar("A", bound=BaseModel)


@dataclass
class _Asked:
    """A question under way.

    Attributes:
      payer: who asks it.
      task: ends with the answer.
      askers: how many wait for it.
      sent: its key on the wire, once nothing lies between it and a wait; "" before.
    """

    payer: RemoteReasoner
    task: asyncio.Task[Answer[Any]]
    askers: int = 0
    sent: str = ""


# Both are touched on the I/O loop only. Shared by all reasoners of the process: two of them must neither
# pay the same question at once nor have twice the limits.
_in_flight: dict[str, _Asked] = {}
_limits: dict[tuple[Any, ...], Limits] = {}
_ROOM_S = 0.2  # between two looks whether the limit on money has room again


class RemoteReasoner:
    """Asks one model of one provider. Implements `Reasoner` (DESIGN §5)."""

    def __init__(
        self,
        wire: Wire,
        settings: Settings,
        abilities: Abilities,
        cache: AnswerCache,
        budget: Budget,
    ) -> None:
        """Args:
        wire: the provider's API; a `Collector` asks by its batch API, at half the price.
        settings: limits, time-outs, retries.
        abilities: of the model; the greatest output bounds the cost of a call.
        cache: where paid answers are kept.
        budget: shared by all reasoners of a run.

        Raises:
          UserError: the budget has a limit and the model's price is unknown.
        """
        self.name = f"{wire.name}:{wire.model}"
        self._wire, self._settings = wire, settings
        self._cache, self._budget = cache, budget
        self._provider = wire.name.split("-")[0] if wire.official else "compatible"
        self._jobs = wire if isinstance(wire, Collector) else None
        self._adapter = Adapter(abilities, tables().most_output(wire.model))
        self._answering = wire.model  # another id once the provider has answered with another model
        self._answered, self._gone = False, ""
        self._warned: set[str] = set()
        if budget.max_usd is not None and self._price(wire.model) is None:
            what = "price" if self._jobs is None else "batch price"
            raise UserError(
                f"--max-usd with {self.name}, whose {what} is unknown",
                f"a {what} of {wire.model} for provider {self._provider}",
                "add a row to the file that ZDG_PROVIDERS names (docs/providers.md), or leave --max-usd out",
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

        Not looked for if the model answered before: then everything may come from the cache; a batch API is
        always looked for. A model that is retiring or has ended is said in one line, with its successor.

        Raises:
          UserError: one of these.
        """
        if self._jobs is not None or not self._cache.knows(self._wire.name, self._wire.model):
            # A probe is three requests at most; this bounds a wire that keeps no limit of its own.
            longest = 4 * self._settings.connect_timeout_s
            try:
                fault = wait_on_io(self._wire.probe(), longest)
            except TimeoutError:
                fault = Fault(FaultKind.UNREACHABLE, f"no reply within {longest:g} s")
            if fault is not None:
                raise UserError(*self._line(fault))
        notice = tables().catalogue.notice(self._provider, self._wire.model)
        if notice is not None:
            _log.warning("%s: %s", self.name, notice)

    def flush(self) -> None:
        """Submit what was collected for a batch job, since nothing more will come; from any thread."""
        if self._jobs is not None:
            io_loop().call_soon_threadsafe(self._jobs.flush)

    def at_rest(self) -> int:
        """How many wait for answers that others must bring about; to be called on the I/O loop.

        Their questions are collected or in a job, or wait for a place, for money or for another try. One that
        is on its way to such a wait does not count, nor one whose answer is on its way back.
        """
        told = self._jobs.told if self._jobs is not None else lambda _: False
        own = [asked for asked in _in_flight.values() if asked.payer is self and asked.sent]
        return sum(asked.askers for asked in own if not asked.task.done() and not told(asked.sent))

    def close(self) -> None:
        """Close the connections."""
        wait_on_io(self._wire.close())

    def key(self, question: Question[Any], call: Call) -> str:
        """The key under which the answer that this call gave is kept."""
        return exchange.keys(question, self._wire, _keeper(call))[0]

    async def _ask(self, question: Question[A]) -> Answer[A]:
        keys = exchange.keys(question, self._wire, self._answering)
        kept = self._kept(keys[0], question)
        if kept is not None:
            return kept
        asked, first = _in_flight.get(keys[0]), False
        if asked is None:
            first = True
            asked = _Asked(self, asyncio.ensure_future(self._pay(question, keys[0])))
            _in_flight[keys[0]] = asked
            asked.task.add_done_callback(lambda done: _landed(keys[0], done))
        asked.askers += 1
        try:
            # Shielded: who waits along must not lose the answer because the first asker was cancelled.
            answer = await asyncio.shield(asked.task)
        finally:
            asked.askers -= 1
        return answer if first else replace(answer, call=replace(answer.call, attempts=0))

    def _kept(self, key: str, question: Question[A]) -> Answer[A] | None:
        record = self._cache.get(key)
        if record is None:
            return None
        value, call = record
        if self._family_of(call.model) != self._family_of(self._answering):
            return None  # another model's answer, kept under this one's name by an earlier version
        try:
            said = question.schema.model_validate(value)
        except ValidationError:  # damaged by hand
            return None
        return Answer(said, call=replace(call, attempts=0))

    async def _pay(self, question: Question[A], key: str) -> Answer[A]:
        request, started, tries = exchange.wire_request(question, self._wire), time.perf_counter(), 0
        _in_flight[key].sent = request.key  # from here to the first wait nothing else runs on this loop
        replies: list[Reply] = []

        async def once() -> Reply | Fault:
            nonlocal tries
            while True:
                able, tries = self._adapter.now, tries + 1
                outcome = await self._send(replace(request, able=able))
                if isinstance(outcome, Fault):
                    again = self._adapter.after_refusal(able, outcome)
                else:
                    replies.append(outcome)
                    again = starved(outcome) and self._adapter.after_truncation(able)
                if not again:
                    return outcome

        outcome = await faults.policy(self._settings)(once)
        call = self._call(question, replies, tries, round(time.perf_counter() - started, 4))
        if isinstance(outcome, Fault):
            raise self._failure(outcome, call)
        if not self._adapter.now.json_schema:  # nobody held the model to the bare object
            outcome = replace(outcome, text=last_object(outcome.text) or outcome.text)
        value = read(outcome, question.schema)
        if isinstance(value, tuple):
            # Asked again with a reason, hidden reasoning would eat the limit again.
            kind = ReasonerError if starved(outcome) else UnusableAnswer
            raise kind(*value, call)
        if question.judge is None or question.judge(value) is None:
            keeper = _keeper(call) or self._wire.model
            keys = exchange.keys(question, self._wire, keeper)
            self._cache.put(keys, keeper, value.model_dump(mode="json"), call)
        return Answer(value, call=call)

    def _call(self, question: Question[Any], replies: list[Reply], tries: int, seconds: float) -> Call:
        """What was paid for one answer, replies that were cut off included."""
        call = Call(
            stage=question.stage,
            provider=self._wire.name,
            model=self._wire.model,
            prompt_sha=exchange.prompt_sha(question),
            attempts=tries,
            latency_s=seconds,
        )
        if not replies:
            return call
        answered, usages = replies[-1].model, [reply.usage for reply in replies]
        same = self._family_of(answered) == self._family_of(self._wire.model)
        return replace(
            call,
            model=hide(answered),
            asked=None if same else self._wire.model,
            input_tokens=_sum([usage.input_tokens for usage in usages]),
            output_tokens=_sum([usage.output_tokens for usage in usages]),
            cached_tokens=_sum([usage.cached_tokens for usage in usages]),
            cost_usd=_sum([self._cost(reply) for reply in replies]),
        )

    def _failure(self, fault: Fault, call: Call) -> ReasonerError:
        got, _, do = self._line(fault)
        reason, status = f"{got}; {do}; tries: {call.attempts}", faults.STATUS[fault.kind]
        before = self._answered or self._cache.knows(self._wire.name, self._wire.model)
        if fault.kind in faults.DYING and before:
            self._gone = f"{reason}; the same command goes on from here once that is mended"
            return ReasonerError(Status.PROVIDER_GONE, self._gone, call)
        return ReasonerError(status, reason, call)

    async def _send(self, request: WireRequest) -> Reply | Fault:
        assert request.able is not None
        longest = request.able.max_output_tokens
        async with self._limits().place(budget.estimated_tokens(request) + longest) as taken:
            prices = [self._price(model) for model in {self._wire.model, self._answering}]
            worst = max(budget.worst_cost(price, request, longest) if price else 0.0 for price in prices)
            # Jobs hold a lot of money for a long time, and get most of it back.
            while self._jobs is not None and self._budget.is_crowded(worst):
                await asyncio.sleep(_ROOM_S)
            if self._gone:
                raise ReasonerError(Status.PROVIDER_GONE, self._gone)
            self._budget.reserve(worst)
            spent = 0.0
            try:
                outcome = await self._sent(request)
                used = outcome.usage if isinstance(outcome, Reply) else Usage(0, 0)
                if used.input_tokens is not None and used.output_tokens is not None:
                    taken.amount = used.input_tokens + used.output_tokens
                if isinstance(outcome, Reply):
                    self._heed(outcome)
                    # Where the provider does not say, the limit on money takes the worst for true.
                    cost = self._cost(outcome)
                    spent = worst if cost is None else cost
            finally:
                self._budget.settle(worst, spent)
        return outcome

    async def _sent(self, request: WireRequest) -> Reply | Fault:
        try:
            return await self._wire.send(request)
        except MachineError:  # a job that can't be written down
            raise
        except Exception as error:  # an SDK that stumbles over a strange body must not end a batch
            return faults.plain_fault(FaultKind.GARBLED, error)

    def _heed(self, reply: Reply) -> None:
        """Note who answered: another model is said once, and one without a price ends a run with a limit."""
        self._answered, asked = True, self._wire.model
        if self._family_of(reply.model) == self._family_of(asked):
            self._answering = asked
        else:
            self._answering = hide(reply.model)
            if self._answering not in self._warned:
                self._warned.add(self._answering)
                _log.warning("%s was asked and %s answered", self.name, self._answering)
        if self._budget.max_usd is not None and self._price(reply.model) is None:
            self._budget.stop(
                f"{hide(reply.model)} answered for {self.name}, and its price is unknown; add a row "
                "for it to the file that ZDG_PROVIDERS names, or leave --max-usd out; the same command then "
                "goes on from here"
            )

    def _line(self, fault: Fault) -> tuple[str, str, str]:
        """One clear line; of a model that is no longer there it names the successor."""
        got, expected, do = faults.line(fault, self._wire)
        row = tables().catalogue.find(self._provider, self._wire.model)
        if fault.kind is not FaultKind.UNKNOWN_MODEL or row is None or row.ends is None:
            return got, expected, do
        notice = tables().catalogue.notice(self._provider, self._wire.model)
        return f"{got}: {notice}", expected, f"ask {row.replacement}" if row.replacement else do

    def _family_of(self, model: str) -> str:
        return tables().catalogue.family(self._provider, model)

    def _price(self, model: str) -> Price | None:
        price = tables().catalogue.price(self._provider, model)
        return price.of_batches() if price is not None and self._jobs is not None else price

    def _cost(self, reply: Reply) -> float | None:
        return budget.cost_usd(self._price(reply.model), reply.usage)

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


def _keeper(call: Call) -> str | None:
    """Under which model's name an answer is kept; None for the model that was asked."""
    return call.model if call.asked is not None else None


def _sum(numbers: list[Any]) -> Any:
    """None if any is unknown."""
    return None if any(number is None for number in numbers) else sum(numbers)


T = TypeVar("T")
_lock = threading.Lock()
_running: dict[int, asyncio.AbstractEventLoop] = {}  # by process id: a forked child needs its own


def io_loop() -> asyncio.AbstractEventLoop:
    """This process's loop, started on first use."""
    with _lock:
        loop = _running.get(os.getpid())
        if loop is None:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="zdg-io", daemon=True).start()
            _running[os.getpid()] = loop
        return loop


async def on_io(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine there and await it here; cancelling here cancels there."""
    loop = io_loop()
    if asyncio.get_running_loop() is loop:
        return await work
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


def wait_on_io(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """The same for callers without a loop.

    Raises:
      TimeoutError: it took longer than `timeout` seconds.
    """
    return asyncio.run_coroutine_threadsafe(work, io_loop()).result(timeout)
