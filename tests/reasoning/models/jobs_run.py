"""Many tasks through the real chain in batch mode, by a run's gateway; as a program, what gets killed."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pipelines.drivers.gateway import Gateway, reasoner_at
from tests.reasoning.models.batch import CONFIG, drawn_once, sentences
from tests.reasoning.models.fakes import BY_FILE
from tests.reasoning.things import hammer
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.chain import Reasoning, reason
from zdg_jax.reasoning.models.batch_gemini_jobs import GeminiJobs


def run_all(name: str, tasks: list[str]) -> list[Reasoning]:
    """As the driver does: the gateway is told again and again how many tasks are in reasoning."""
    obj, hand, gateway = hammer(600), load_hand("human16"), Gateway(batch=True)

    async def ask(asked: str, question: Any) -> Any:
        return await gateway.ask(asked, question)

    reasoner = reasoner_at(name, (), ask, gateway.accept)

    async def everything() -> list[Reasoning]:
        open_tasks = {asyncio.ensure_future(reason(obj, hand, task, reasoner, CONFIG)) for task in tasks}
        everybody = list(open_tasks)
        while open_tasks:
            gateway.expect(len(open_tasks))
            _, open_tasks = await asyncio.wait(open_tasks, timeout=0.05)
        return [each.result() for each in everybody]

    try:
        with drawn_once():
            return asyncio.run(everything())
    finally:
        gateway.close()


def main() -> None:
    if (name := sys.argv[1]).startswith(BY_FILE):
        GeminiJobs.most_inside = 0
    done = run_all(name.replace(BY_FILE, "gemini"), sentences(int(sys.argv[2])))
    print(
        json.dumps([[r.grasp.status for r in done], sum(c["attempts"] for r in done for c in r.grasp.calls)])
    )


if __name__ == "__main__":
    main()
