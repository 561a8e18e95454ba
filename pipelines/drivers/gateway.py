"""The one place from which a run's questions go out: cache, limits, money, and questions asked twice at once.

It lives apart from those who draw pictures and judge answers, so that a reasoning process that dies takes no
paid answer with it: what is under way comes in and is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from zdg_jax.errors import MachineError
from zdg_jax.reasoning.models import exchange as asking
from zdg_jax.reasoning.models import factory
from zdg_jax.reasoning.models.answer_cache import UnjudgedAnswers, answer_cache
from zdg_jax.reasoning.models.budget import Budget
from zdg_jax.reasoning.models.factory import RoutedReasoner
from zdg_jax.reasoning.models.remote import RemoteReasoner, io_loop, requests_in_flight
from zdg_jax.reasoning.models.settings import parse_routes
from zdg_jax.reasoning.protocol import Answer, Call, Question, Reasoner, ReasonerError, UnusableAnswer
from zdg_jax.status import Status

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Outcome:
    """An answer or why there is none, as it travels between processes.

    Attributes:
      answer: its fields.
      call: what it cost.
      key: by which `accept` knows it; "" if it needs no verdict.
      status, reason: of a failure.
      unusable: the model may be asked again with the reason.
    """

    answer: dict[str, Any] | None
    call: Call | None
    key: str = ""
    status: str = ""
    reason: str = ""
    unusable: bool = False


Ask = Callable[[str, Question[Any]], Awaitable[Outcome]]
Accept = Callable[[str, str], None]


class Gateway:
    """Asks models for everybody in a run."""

    def __init__(
        self, max_usd: float | int | None = None, concurrency: int | None = None, batch: bool = False
    ) -> None:
        """Args:
        max_usd: limit of what is spent.
        concurrency: requests in flight, instead of the settings' number.
        batch: ask by the providers' batch APIs; `expect` says when a job is to go.
        """
        self._cache = UnjudgedAnswers(answer_cache())
        self._budget = Budget(max_usd)
        self._terms = factory.Terms(self._budget, self._cache, concurrency, batch)
        self._made: dict[str, RemoteReasoner] = {}
        self._answered = self._sent = self._waiting = 0
        self._broken: MachineError | None = None

    async def ask(self, name: str, question: Question[Any]) -> Outcome:
        """Put a sealed question to the reasoner of that name; never raises what the provider did.

        Once an answer could not be kept nothing more is paid: every outcome says so.
        """
        reasoner = self._reasoner(name)
        self._waiting += 1
        try:
            if self._broken is not None:
                raise self._broken
            answer = await reasoner.ask(question)
        except MachineError as error:
            self._broken = error
            return Outcome(None, None, "", Status.MACHINE_FAULT, str(error))
        except ReasonerError as error:
            self._count(error.call)
            unusable = isinstance(error, UnusableAnswer)
            return Outcome(None, error.call, "", error.status, error.reason, unusable)
        finally:
            self._waiting -= 1
        self._count(answer.call)
        key = reasoner.key(question, answer.call)
        return Outcome(answer.value.model_dump(mode="json"), answer.call, key)

    def accept(self, name: str, key: str) -> None:
        """The stage took the answer: keep it for other runs too."""
        try:
            self._cache.accept(key, self._reasoner(name).wire.model)
        except MachineError as error:  # nobody waits for this; the next question says it
            self._broken = error

    def state(self) -> dict[str, Any]:
        """Requests in flight, questions waiting, requests sent, answers given, USD spent."""
        return {
            "in_flight": requests_in_flight(),
            "waiting": self._waiting,
            "sent": self._sent,
            "answered": self._answered,
            "usd": self._budget.spent,
        }

    def expect(self, tasks: int) -> None:
        """Submit what was collected once as many questions wait as tasks are in reasoning: no more will come.

        Args:
          tasks: of all who ask here; each has one question at a time.
        """
        made = list(self._made.values())

        def look() -> None:
            # Counted where questions are collected: one that is on its way there or back does not wait yet.
            if sum(reasoner.at_rest() for reasoner in made) >= tasks:
                for reasoner in made:
                    reasoner.flush()

        io_loop().call_soon_threadsafe(look)

    def close(self) -> None:
        """Close connections and files."""
        for reasoner in self._made.values():
            reasoner.close()
        self._cache.close()

    def _reasoner(self, name: str) -> RemoteReasoner:
        if name not in self._made:
            made = factory.one(name, self._terms)
            assert isinstance(made, RemoteReasoner)
            self._made[name] = made
        return self._made[name]

    def _count(self, call: Call | None) -> None:
        self._answered += 1
        self._sent += call.attempts if call is not None else 0


class AtGateway:
    """A reasoner that lives at the gateway. Implements `Reasoner`."""

    def __init__(self, name: str, ask: Ask, accept: Accept) -> None:
        """Args:
        name: as for `factory.one`.
        ask, accept: those of the gateway.
        """
        self.name = name
        self._ask, self._accept = ask, accept

    async def ask(self, question: Question[A]) -> Answer[A]:
        """Sent over, judged here; raises as every reasoner does."""
        outcome = await self._ask(self.name, asking.sealed(question))
        if outcome.answer is None or outcome.call is None:
            kind = UnusableAnswer if outcome.unusable else ReasonerError
            raise kind(outcome.status, outcome.reason, outcome.call)
        value = question.schema.model_validate(outcome.answer)
        if outcome.key and (question.judge is None or question.judge(value) is None):
            self._accept(self.name, outcome.key)
        return Answer(value, call=outcome.call)


def needs_gateway(name: str, routes: Sequence[str]) -> bool:
    """Whether any stage's answers come over a wire."""
    return any(map(factory.is_remote, (name, *parse_routes(routes).values())))


def reasoner_at(name: str, routes: Sequence[str], ask: Ask, accept: Accept) -> Reasoner:
    """`factory.make`, with everything that is paid for at the gateway.

    Args:
      name, routes: as on the command line.
      ask, accept: those of the gateway.
    """

    def one(wanted: str) -> Reasoner:
        if factory.is_remote(wanted):
            return AtGateway(wanted, ask, accept)
        return factory.make(wanted)

    stages = {stage: one(other) for stage, other in parse_routes(routes).items()}
    return RoutedReasoner(one(name), stages) if stages else one(name)
