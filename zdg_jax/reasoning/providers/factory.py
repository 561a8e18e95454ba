"""Reasoners by name, as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zdg_jax.errors import UserError
from zdg_jax.reasoning.offline import OfflineReasoner
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.reasoning.providers.cache import AnswerCache, answer_cache
from zdg_jax.reasoning.providers.costs import Budget
from zdg_jax.reasoning.providers.oracle import OracleReasoner
from zdg_jax.reasoning.providers.reasoner import RemoteReasoner
from zdg_jax.reasoning.providers.replay import ReplayReasoner
from zdg_jax.reasoning.providers.routing import RoutedReasoner, expand, parse_routes
from zdg_jax.reasoning.providers.settings import Abilities, Settings, tables
from zdg_jax.reasoning.providers.wire import Wire


@dataclass(frozen=True)
class Terms:
    """What the reasoners of one run share.

    Attributes:
      budget: what they may spend together.
      cache: where answers are kept; None is the user's own, which only a model whose answers are paid needs.
      concurrency: requests in flight, instead of the settings' number.
    """

    budget: Budget
    cache: AnswerCache | None = None
    concurrency: int | None = None


def _remote(wire: Wire, settings: Settings, abilities: Abilities, terms: Terms) -> Reasoner:
    if terms.concurrency is not None:
        settings = settings.model_copy(update={"concurrency": terms.concurrency})
    return RemoteReasoner(wire, settings, abilities, terms.cache or answer_cache(), terms.budget)


def _openai(model: str, terms: Terms) -> Reasoner:
    """Responses at OpenAI's own address; chat, which every compatible server speaks, elsewhere."""
    from zdg_jax.reasoning.providers.openai_common import base_url, is_official

    return (_openai_responses if is_official(base_url()) else _openai_chat)(model, terms)


def _openai_chat(model: str, terms: Terms) -> Reasoner:
    from zdg_jax.reasoning.providers.openai_chat import OpenAIChat

    wire = OpenAIChat(model)
    return _remote(wire, wire.settings, wire.abilities, terms)


def _openai_responses(model: str, terms: Terms) -> Reasoner:
    from zdg_jax.reasoning.providers.openai_responses import OpenAIResponses

    wire = OpenAIResponses(model)
    return _remote(wire, wire.settings, wire.abilities, terms)


def _gemini(model: str, terms: Terms) -> Reasoner:
    from zdg_jax.reasoning.providers.gemini import Gemini

    wire = Gemini(model)
    return _remote(wire, wire.settings, wire.abilities, terms)


def _local(path: str, terms: Terms) -> Reasoner:
    from zdg_jax.reasoning.providers.local import ABILITIES, SETTINGS, LocalWire

    return _remote(LocalWire(path), SETTINGS, ABILITIES, terms)


def _replay(path: str, terms: Terms) -> Reasoner:
    return ReplayReasoner(path)


def _oracle(path: str, terms: Terms) -> Reasoner:
    return OracleReasoner(path)


# What follows the colon, and who makes it. A new provider is one line here.
MAKERS: dict[str, tuple[str, Callable[[str, Terms], Reasoner]]] = {
    "openai": ("MODEL", _openai),
    "openai-chat": ("MODEL", _openai_chat),
    "openai-responses": ("MODEL", _openai_responses),
    "gemini": ("MODEL", _gemini),
    "local": ("PATH_OR_ID", _local),
    "replay": ("FILE", _replay),
    "oracle": ("FILE", _oracle),
}
REMOTE = ("openai", "openai-chat", "openai-responses", "gemini", "local")


def names() -> tuple[str, ...]:
    """Every valid form of a reasoner's name."""
    return ("offline", *tables().presets, *(f"{kind}:{what}" for kind, (what, _) in MAKERS.items()))


def make(
    name: str, routes: Sequence[str] = (), max_usd: float | int | None = None, check: bool = False
) -> Reasoner:
    """The reasoner of that name, with other ones for some stages.

    Args:
      name: one of `names()`.
      routes: `STAGE=NAME` items.
      max_usd: limit on what all of them spend together.
      check: ask each provider, for nothing, whether address, key and model are good.
    Raises:
      UserError: unknown name or stage, no key, no price for `max_usd`, no folder for paid answers, or what
        the check found.
    """
    name, routes = expand(name, routes)
    budget, made = Budget(max_usd), dict[str, Reasoner]()
    for wanted in (name, *parse_routes(routes).values()):
        if wanted not in made:
            made[wanted] = one(wanted, Terms(budget))
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
    return name.partition(":")[0] in REMOTE


def one(name: str, terms: Terms) -> Reasoner:
    """The reasoner of that name, without routes.

    Raises:
      UserError: unknown name, no key, or no price for the budget's limit.
    """
    if name == "offline":
        return OfflineReasoner()
    kind, colon, rest = name.partition(":")
    if kind not in MAKERS or not colon or not rest.strip():
        raise UserError(
            f"reasoner {name!r}", f"one of {', '.join(names())}", "choose one with --reasoner or --route"
        )
    return MAKERS[kind][1](rest.strip(), terms)
