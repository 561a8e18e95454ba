"""Reasoners by name, as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zdg_jax.errors import UserError
from zdg_jax.reasoning.offline import OfflineReasoner
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.reasoning.providers.cache import answer_cache
from zdg_jax.reasoning.providers.costs import Budget
from zdg_jax.reasoning.providers.oracle import OracleReasoner
from zdg_jax.reasoning.providers.reasoner import RemoteReasoner
from zdg_jax.reasoning.providers.replay import ReplayReasoner
from zdg_jax.reasoning.providers.routing import RoutedReasoner, parse_routes


def _openai(model: str, budget: Budget) -> Reasoner:
    """Responses at OpenAI's own address; chat, which every compatible server speaks, elsewhere."""
    from zdg_jax.reasoning.providers.openai_common import base_url, is_official

    return (_openai_responses if is_official(base_url()) else _openai_chat)(model, budget)


def _openai_chat(model: str, budget: Budget) -> Reasoner:
    from zdg_jax.reasoning.providers.openai_chat import OpenAIChat

    wire = OpenAIChat(model)
    return RemoteReasoner(wire, wire.settings, wire.abilities, answer_cache(), budget)


def _openai_responses(model: str, budget: Budget) -> Reasoner:
    from zdg_jax.reasoning.providers.openai_responses import OpenAIResponses

    wire = OpenAIResponses(model)
    return RemoteReasoner(wire, wire.settings, wire.abilities, answer_cache(), budget)


def _gemini(model: str, budget: Budget) -> Reasoner:
    from zdg_jax.reasoning.providers.gemini import Gemini

    wire = Gemini(model)
    return RemoteReasoner(wire, wire.settings, wire.abilities, answer_cache(), budget)


def _local(path: str, budget: Budget) -> Reasoner:
    from zdg_jax.reasoning.providers.local import ABILITIES, SETTINGS, LocalWire

    return RemoteReasoner(LocalWire(path), SETTINGS, ABILITIES, answer_cache(), budget)


def _replay(path: str, budget: Budget) -> Reasoner:
    return ReplayReasoner(path)


def _oracle(path: str, budget: Budget) -> Reasoner:
    return OracleReasoner(path)


# What follows the colon, and who makes it. A new provider is one line here.
MAKERS: dict[str, tuple[str, Callable[[str, Budget], Reasoner]]] = {
    "openai": ("MODEL", _openai),
    "openai-chat": ("MODEL", _openai_chat),
    "openai-responses": ("MODEL", _openai_responses),
    "gemini": ("MODEL", _gemini),
    "local": ("PATH_OR_ID", _local),
    "replay": ("FILE", _replay),
    "oracle": ("FILE", _oracle),
}


def names() -> tuple[str, ...]:
    """Every valid form of a reasoner's name."""
    return ("offline", *(f"{kind}:{what}" for kind, (what, _) in MAKERS.items()))


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
      UserError: unknown name or stage, no key, no price for `max_usd`, or what the check found.
    """
    budget, made = Budget(max_usd), dict[str, Reasoner]()
    for wanted in (name, *parse_routes(routes).values()):
        if wanted not in made:
            made[wanted] = _one(wanted, budget)
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


def _one(name: str, budget: Budget) -> Reasoner:
    if name == "offline":
        return OfflineReasoner()
    kind, colon, rest = name.partition(":")
    if kind not in MAKERS or not colon or not rest.strip():
        raise UserError(
            f"reasoner {name!r}", f"one of {', '.join(names())}", "choose one with --reasoner or --route"
        )
    return MAKERS[kind][1](rest.strip(), budget)
