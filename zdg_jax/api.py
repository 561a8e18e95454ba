"""Reasoning as one call: who answers, and paper III-A to III-D."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.chain import Reasoning, reason
from zdg_jax.reasoning.models import factory
from zdg_jax.reasoning.protocol import Reasoner, looks
from zdg_jax.reasoning.state import ReasonConfig, ReasonState

REASONER_NAMES = factory.names()
T = TypeVar("T")


def make_reasoner(
    name: str,
    *,
    routes: Sequence[str] = (),
    max_usd: float | int | None = None,
    check: bool = False,
    batch: bool = False,
) -> Reasoner:
    """The reasoner of that name, with other ones for some stages (paper IV-A).

    Args:
      name: of one of the forms in `REASONER_NAMES`, e.g. "offline" or "openai:MODEL".
      routes: "STAGE=NAME" items, e.g. "direction=gemini:MODEL".
      max_usd: limit on what all of them spend together.
      check: look, for nothing, whether address, key and model are good.
      batch: ask by the providers' batch APIs; questions wait until their `flush`.
    Raises:
      UserError: unknown name or stage, no key, no price for `max_usd`, or what the check found.
    """
    return factory.make(name, routes, max_usd, check, batch)


def close_reasoner(reasoner: Reasoner) -> None:
    """Close its connections, if it has any; it can't be asked after that."""
    close = getattr(reasoner, "close", None)
    if close is not None:
        close()


def reason_task(
    obj: ObjectModel,
    hand: HandModel,
    task: str,
    reasoner: Reasoner,
    *,
    seed: int = 0,
    config: ReasonConfig | None = None,
    opened: ReasonState | None = None,
) -> Reasoning:
    """Paper III-A to III-D for one task; also works where an event loop runs already (notebooks).

    Args:
      obj, hand, task, reasoner: as for `synthesize`.
      seed: of every random choice.
      config: all other settings of the chain; by default pictures have 1024 pixels a side if a model looks at
        them, else 512, a third of the work.
      opened: the object's views, drawn before; see `reasoning.chain.reason`.
    """
    if config is None:
        config = ReasonConfig() if looks(reasoner) else ReasonConfig(shown_scale=1)
    config = replace(config, seed=seed)
    return run_here(reason(obj, hand, task, reasoner, config, opened))


def run_here(coroutine: Coroutine[Any, Any, T]) -> T:
    """Its value, also where an event loop runs already (notebooks)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
