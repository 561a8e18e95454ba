"""Questions asked in batch mode, and submitted without a run around them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.reasoning.models.questions import query, question
from zdg_jax.reasoning.query import ask_until_valid


def all_of(reasoner: Any, asked: list[Any]) -> list[Any]:
    """Answers or failures; the first job has all questions that a job can have."""

    async def everything() -> list[Any]:
        asking = asyncio.gather(*asked, return_exceptions=True)
        whole = False
        while not asking.done():
            whole = whole or len(reasoner.wire._asked) == len(asked)
            if whole:
                reasoner.flush()
            await asyncio.wait({asking}, timeout=0.05)
        return asking.result()

    return asyncio.run(everything())


def ask(reasoner: Any, count: int, first: int = 0) -> list[Any]:
    return all_of(reasoner, [reasoner.ask(question(n)) for n in range(first, first + count)])


def settle(reasoner: Any, number: int = 0) -> tuple[Any, list[dict[str, Any]]]:
    trace: list[dict[str, Any]] = []
    (said,) = all_of(reasoner, [ask_until_valid(query(number), reasoner, 3, trace)])
    return said, trace[0]["attempts"]
