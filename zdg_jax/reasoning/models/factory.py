"""Reasoners by name, as on the command line."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from zdg_jax.errors import UserError, alike, did_you_mean
from zdg_jax.reasoning.models.answer_cache import AnswerCache, answer_cache
from zdg_jax.reasoning.models.batch_book import job_book
from zdg_jax.reasoning.models.batch_collector import Collector
from zdg_jax.reasoning.models.budget import Budget
from zdg_jax.reasoning.models.recorded import OracleReasoner, ReplayReasoner
from zdg_jax.reasoning.models.remote import RemoteReasoner
from zdg_jax.reasoning.models.settings import expand, parse_routes, tables
from zdg_jax.reasoning.protocol import Answer, Question, Reasoner
from zdg_jax.reasoning.rules.reasoner import SEEN, RulesReasoner

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Terms:
    """What the reasoners of one run share.

    Attributes:
      budget: what they may spend together.
      cache: where answers are kept; None is the user's own, which only a model whose answers are paid needs.
      concurrency: requests in flight, instead of the settings' number.
      batch: ask by the providers' batch APIs; who makes them says when nothing more will come (`flush`).
    """

    budget: Budget
    cache: AnswerCache | None = None
    concurrency: int | None = None
    batch: bool = False


RULES = ("offline", SEEN)
"""Reasoners that answer by rules, without a model."""

FILES: dict[str, Callable[[str], Reasoner]] = {"replay": ReplayReasoner, "oracle": OracleReasoner}
"""Reasoners that answer from a file, by the word before the colon; all others are the tables' `providers`."""


def names() -> tuple[str, ...]:
    """Every valid form of a reasoner's name."""
    providers = [f"{kind}:{provider.takes}" for kind, provider in tables().providers.items()]
    return (*RULES, *tables().presets, *providers, *(f"{kind}:FILE" for kind in FILES))


def _alike(name: str) -> list[str]:
    """Reasoners that a name may have been meant for: a model without its provider, or a word mistyped."""
    known, (word, colon, rest) = tables(), name.partition(":")
    if not colon and (row := known.catalogue.anywhere(name)) is not None and row.provider in known.providers:
        return [f"{row.provider}:{name}"]
    forms = {form.partition(":")[0]: form for form in names()}
    return [f"{w}:{rest}" if rest and ":" in forms[w] else forms[w] for w in alike(word, forms)]


def make(
    name: str,
    routes: Sequence[str] = (),
    max_usd: float | int | None = None,
    check: bool = False,
    batch: bool = False,
) -> Reasoner:
    """The reasoner of that name, with other ones for some stages.

    Args:
      name: one of `names()`.
      routes: `STAGE=NAME` items.
      max_usd: limit on what all of them spend together.
      check: ask each provider, for nothing, whether address, key and model are good.
      batch: see `Terms`.
    Raises:
      UserError: unknown name or stage, no key, no price for `max_usd`, no folder for paid answers, or what
        the check found.
    """
    name, routes = expand(name, routes)
    budget, made = Budget(max_usd), dict[str, Reasoner]()
    for wanted in (name, *parse_routes(routes).values()):
        if wanted not in made:
            made[wanted] = one(wanted, Terms(budget, batch=batch))
    if check:
        _check([reasoner for reasoner in made.values() if isinstance(reasoner, RemoteReasoner)])
    if not routes:
        return made[name]
    return RoutedReasoner(made[name], {stage: made[other] for stage, other in parse_routes(routes).items()})


def _check(reasoners: list[RemoteReasoner]) -> None:
    try:
        for reasoner in reasoners:
            reasoner.check()
    except UserError:
        for reasoner in reasoners:
            reasoner.close()
        raise


def is_remote(name: str) -> bool:
    """Whether this reasoner's answers are asked for over a wire, and paid."""
    return name.partition(":")[0] in tables().providers


def one(name: str, terms: Terms) -> Reasoner:
    """The reasoner of that name, without routes.

    Raises:
      UserError: unknown name, no key, no price for the budget's limit, or no batch API.
    """
    if name in RULES:
        return RulesReasoner(seen=name == SEEN)
    kind, colon, rest = name.partition(":")
    provider = tables().providers.get(kind)
    if (provider is None and kind not in FILES) or not colon or not rest.strip():
        raise UserError(
            f"reasoner {name!r}",
            f"one of {', '.join(names())}",
            f"{did_you_mean(_alike(name))}choose one with --reasoner or --route",
        )
    if provider is None:
        return FILES[kind](rest.strip())
    if terms.batch and provider.batch is None:
        have = ", ".join(other for other, about in tables().providers.items() if about.batch)
        raise UserError(
            f"--batch-api with {name}", f"a provider with a batch API: {have}", "leave one of them out"
        )
    wire = pkgutil.resolve_name(provider.wire)(rest.strip())
    cache = terms.cache or answer_cache()
    if terms.batch and provider.batch is not None:
        jobs = pkgutil.resolve_name(provider.batch)(wire)
        wire = Collector(wire, jobs, job_book(cache.path.parent))
    settings = wire.settings
    if terms.concurrency is not None:
        settings = settings.model_copy(update={"concurrency": terms.concurrency})
    return RemoteReasoner(wire, settings, wire.abilities, cache, terms.budget)


class RoutedReasoner:
    """Sends each stage to the reasoner that `routes` names for it, and all others to `main`."""

    def __init__(self, main: Reasoner, routes: Mapping[str, Reasoner]) -> None:
        self.main, self.routes = main, dict(routes)
        self.name = " ".join([main.name, *(f"{stage}={other.name}" for stage, other in self.routes.items())])

    async def ask(self, question: Question[A]) -> Answer[A]:
        """Passed on; raises what the stage's own reasoner raises."""
        return await self.routes.get(question.stage, self.main).ask(question)

    def close(self) -> None:
        """Close whatever of them has connections."""
        for reasoner in {id(r): r for r in (self.main, *self.routes.values())}.values():
            close = getattr(reasoner, "close", None)
            if close is not None:
                close()
