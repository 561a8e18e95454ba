"""The same stages in threads of this process: no Ray, for one machine with a device of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from pipelines.cluster.prepare import PrepareStage
from pipelines.cluster.refine import RefineStage
from pipelines.cluster.simulate import SimulateStage
from pipelines.cluster.tasks import TaskSpec
from pipelines.cluster.timed import Timed, ended, timed
from pipelines.cluster.work import Finished, PreparedObject, Reasoned, Refined
from zdg_jax.refine.result import RefinedGrasps

T = TypeVar("T")


class LocalCrew:
    """Implements `line.Crew`; one thread for each device stage, so that stages overlap."""

    preparers = refiners = 1

    def __init__(
        self,
        prepare: PrepareStage | Mapping[str, PreparedObject],
        reason: Any,
        refine: RefineStage,
        simulate: SimulateStage,
        simulators: int | None = None,
        state: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """Args:
        prepare: the stage, or what it made before, by object key.
        reason: a `ReasonStage`, or whatever else has its `reason`.
        refine, simulate: the stages.
        simulators: threads of simulation; as many as processors by default.
        state: of the gateway.
        """
        self._prepare, self._reason, self._refine, self._simulate = prepare, reason, refine, simulate
        self.slots = refine.slots
        self.simulators = simulators or os.cpu_count() or 1
        self._state = state
        self._pools = {
            "prepare": ThreadPoolExecutor(1),
            "refine": ThreadPoolExecutor(1),
            "simulate": ThreadPoolExecutor(self.simulators),
        }

    async def prepare(self, task: TaskSpec) -> Timed[PreparedObject]:
        stage = self._prepare
        if isinstance(stage, Mapping):
            return timed("prepare", lambda: stage[task.object_key])
        return await self._in("prepare", lambda: stage.prepare(task))

    async def reason(self, task: TaskSpec, handle: PreparedObject) -> Timed[Reasoned]:
        begin = time.time()
        return ended(await self._reason.reason(task, handle), begin)

    async def refine(self, batch: Sequence[tuple[Reasoned, PreparedObject]]) -> Timed[list[RefinedGrasps]]:
        done = await self._in("refine", lambda: self._refine.refine(batch))
        return replace(done, more={**done.more, "compiled": self._refine.compiled_shapes()})

    async def simulate(self, refined: Refined, handle: PreparedObject) -> Timed[Finished]:
        return await self._in("simulate", lambda: self._simulate.simulate(refined, handle))

    async def gateway(self) -> dict[str, Any]:
        return self._state()

    async def _in(self, stage: str, work: Callable[[], T]) -> Timed[T]:
        return await asyncio.get_running_loop().run_in_executor(
            self._pools[stage], lambda: timed(stage, work)
        )
