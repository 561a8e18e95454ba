"""Many tasks through the real chain at once; as a program, what gets killed in the middle.

The object is prepared once and pictures that do not depend on the task are drawn once: what is tried here
is what happens between the chain and the providers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from tests.reasoning.things import Scripted, hammer
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning import chain, query
from zdg_jax.reasoning.chain import Reasoning, reason
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.reasoning.query import Query, ask_until_valid
from zdg_jax.reasoning.state import ReasonConfig, ReasonState
from zdg_jax.render import composite
from zdg_jax.status import StageFailed

CONFIG = ReasonConfig(image_size=96, shown_scale=1, min_part_pixels=4)


def sentences(count: int) -> list[str]:
    return [f"drive nail number {number}" for number in range(count)]


@contextmanager
def drawn_once() -> Iterator[None]:
    """Open the state once and imagine each set of hands once."""
    opened: list[ReasonState] = []
    imagined: dict[str, Any] = {}
    open_state = chain.open_state
    draw = {f.__name__: f for f in (composite.rotation_prompt, composite.closing_prompt)}

    def open_again(obj: ObjectModel, hand: HandModel, task: str, config: ReasonConfig) -> ReasonState:
        if not opened:
            opened.append(open_state(obj, hand, task, config))
        return replace(opened[0], task=task, pictures={}, warnings=[])

    def imagine(name: str, surface: Any, skins: Any, *args: Any, **kwargs: Any) -> Any:
        key = name + hashlib.sha256(b"".join(np.asarray(skin).tobytes() for skin in skins)).hexdigest()
        if key not in imagined:
            imagined[key] = draw[name](surface, skins, *args, **kwargs)
        return imagined[key]

    with (
        mock.patch.object(chain, "open_state", open_again),
        mock.patch.object(composite, "rotation_prompt", partial(imagine, "rotation_prompt")),
        mock.patch.object(composite, "closing_prompt", partial(imagine, "closing_prompt")),
    ):
        yield


def run_all(reasoner: Reasoner, tasks: list[str]) -> list[Reasoning]:
    """Reason about all tasks at once; the reasoner's own limit says how many questions are in flight."""
    obj, hand = hammer(600), load_hand("human16")

    async def everything() -> list[Reasoning]:
        return list(await asyncio.gather(*(reason(obj, hand, task, reasoner, CONFIG) for task in tasks)))

    with drawn_once():
        return asyncio.run(everything())


def captured_queries() -> list[Query[Any]]:
    """Every stage's real question with its pictures and checks, from one walk through the chain."""
    asked: list[Query[Any]] = []

    async def capture(asked_query: Query[Any], *rest: Any) -> Any:
        asked.append(asked_query)
        return await ask_until_valid(asked_query, *rest)

    with mock.patch.object(query, "ask_until_valid", capture):
        done = run_all(Scripted(), ["drive nail number 0"])
    assert done[0].grasp.status == "ok"
    return asked


def ask_all_until_valid(
    reasoner: Reasoner, queries: list[Query[Any]], tasks: int
) -> list[tuple[str, list[dict[str, Any]]]]:
    """For each task, its stages one after the other until one fails: (status, trace)."""

    async def one(task: int) -> tuple[str, list[dict[str, Any]]]:
        trace: list[dict[str, Any]] = []
        try:
            for query in queries:
                prompt = query.question.prompt.replace("nail number 0", f"nail number {task}")
                own = replace(query, question=replace(query.question, prompt=prompt))
                await ask_until_valid(own, reasoner, CONFIG.max_attempts, trace)
        except StageFailed as failure:
            return failure.status, trace
        return "ok", trace

    async def everything() -> list[tuple[str, list[dict[str, Any]]]]:
        return list(await asyncio.gather(*map(one, range(tasks))))

    return asyncio.run(everything())


def main() -> None:
    from zdg_jax.reasoning.models import factory

    done = run_all(factory.make(sys.argv[1]), sentences(int(sys.argv[2])))
    print(
        json.dumps([[r.grasp.status for r in done], sum(c["attempts"] for r in done for c in r.grasp.calls)])
    )


if __name__ == "__main__":
    main()
