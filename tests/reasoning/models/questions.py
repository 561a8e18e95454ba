"""Small questions with real schemas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from PIL import Image

from prompts.schemas import RotationAnswer
from zdg_jax.reasoning.protocol import Observations, Question, Reasoner
from zdg_jax.reasoning.query import Query, ask_until_valid, outside
from zdg_jax.status import StageFailed


def question(number: int = 0, judge: Callable[[Any], str | None] | None = None) -> Question[RotationAnswer]:
    """The n-th of any number of different questions; its candidates are 1 to 4."""
    candidates = ("1", "2", "3", "4")
    image = Image.new("RGB", (16, 16), (number % 256, 40, 40))
    return Question(
        "rotation",
        f"Question {number}: which panel?\n\nCandidates (panels): {', '.join(candidates)}.\n",
        (image,),
        candidates,
        RotationAnswer,
        Observations(task="hammer", object_name="hammer"),
        judge=judge,
    )


def query(number: int = 0) -> Query[RotationAnswer]:
    asked = question(number)
    return Query(asked, lambda answer: outside([str(answer.rotation)], asked.candidates, "panel"), ("a.png",))


def settled(reasoner: Reasoner, number: int = 0, most: int = 3) -> tuple[Any, list[dict[str, Any]]]:
    """(the answer or the failure, the attempts)."""
    trace: list[dict[str, Any]] = []
    try:
        said: Any = asyncio.run(ask_until_valid(query(number), reasoner, most, trace))
    except StageFailed as failure:
        said = failure
    return said, trace[0]["attempts"]
