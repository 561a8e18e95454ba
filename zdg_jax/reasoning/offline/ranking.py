"""Choosing from a ranking without repeating what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from zdg_jax.reasoning.protocol import ReasonerError

T = TypeVar("T")


def after_refusals(ranking: Sequence[T], feedback: tuple[str, ...], stage: str) -> T:
    """The best option not refused yet: this reasoner is deterministic, so n refusals were its first n.

    Args:
      ranking: options without repetition, best first.
      feedback: one reason for each refused answer.
      stage: for the error.

    Returns:
      ranking[len(feedback)].

    Raises:
      ReasonerError: "exhausted" once every option was refused.
    """
    if len(feedback) >= len(ranking):
        last = feedback[-1] if feedback else "nothing was offered"
        raise ReasonerError(
            "exhausted", f"{stage}: all {len(ranking)} options were refused; last reason: {last}"
        )
    return ranking[len(feedback)]
