"""Five hundred small tasks in one process: memory stays where it is once everything is compiled."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.drivers.tasks import TaskSpec
from pipelines.runtime import steady_memory
from pipelines.stages.messages import Refined
from pipelines.stages.prepare import PrepareStage
from pipelines.stages.reason import ReasonStage
from pipelines.stages.refine import RefineStage
from pipelines.stages.select import SelectStage
from tests.pipelines.cluster.made import options
from tests.pipelines.cluster.things import sticks
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.rules.reasoner import RulesReasoner

TASKS, SETTLED = 500, 100  # everything is compiled, and as many objects are open as ever will be
SEED_EVERY = 10  # tasks: a new seed draws its object anew and lets go of the oldest drawing


def resident() -> int:
    """Bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.soak
def test_memory_is_flat(tmp_path: Path) -> None:
    steady_memory()  # as every command and every actor
    hand, asked = load_hand("human16"), options(num=8, keep=2, steps=5)
    stage = PrepareStage(asked)
    specs = [TaskSpec(path, path, "lift it", name="stick") for path in sticks(tmp_path)]
    objects = [stage.prepare(spec) for spec in specs]
    reason = ReasonStage(hand, RulesReasoner(), asked)
    refine, select = RefineStage(hand, asked.refine_config(), 8, 16), SelectStage(hand, 2, "gravity", 1)
    sizes = []

    async def work() -> None:
        for number in range(TASKS):
            spec = replace(specs[number % 2], task_id=str(number), seed=number // SEED_EVERY)
            said = await reason.reason(spec, objects[number % 2])
            if said.grasp.status == "ok":
                grasps = refine.refine([(said, objects[number % 2])])[0]
                select.select(Refined(said, grasps), objects[number % 2])
            sizes.append(resident())
            if number % 50 == 49:
                print(f"task {number}: {sizes[-1] / 2**20:.0f} MiB", flush=True)  # pytest -s

    asyncio.run(work())
    assert max(sizes[SETTLED:]) <= 1.05 * max(sizes[:SETTLED])
