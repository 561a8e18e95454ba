"""The stages in a line, each ahead of the next by a bounded number of tasks."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pipelines.drivers.journal import Journal
from pipelines.drivers.show import Meter
from pipelines.drivers.tasks import TaskSpec
from pipelines.options import GenerateOptions
from pipelines.stages.messages import Finished, Reasoned, Refined, StageFault, Timed
from pipelines.stages.select import stumbled, unfinished
from pipelines.stages.write import Output
from zdg_jax.grasps import Grasps
from zdg_jax.status import STOPPING, Status

T = TypeVar("T")
READY = 4096  # reasoned tasks that may wait for refinement: some kilobytes each
LINGER_S = 2.0  # how long a batch waits to become full
SHARD_S = 60.0  # finished tasks are written at least this often
MOST_DEATHS = 20  # tasks in a row over which an actor died before the run is given up


@runtime_checkable
class Crew(Protocol):
    """Who works: actors of a cluster, or threads of this process. Handles stand for prepared objects."""

    slots: int
    """Tasks that one `refine` takes."""
    preparers: int
    refiners: int
    simulators: int

    async def prepare(self, task: TaskSpec) -> Timed[Any]: ...
    async def reason(self, task: TaskSpec, handle: Any) -> Timed[Reasoned]: ...
    async def refine(self, batch: Sequence[tuple[Reasoned, Any]]) -> Timed[list[Grasps]]: ...
    async def simulate(self, refined: Refined, handle: Any) -> Timed[Finished]: ...
    async def gateway(self, reasoning: int) -> dict[str, Any]: ...


class Stopped(Exception):
    """The run ends early; `why` is "interrupt", "budget" or what went wrong for good."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Inbox(Generic[T]):
    """A bounded queue from which several are taken at a time."""

    def __init__(self, room: int) -> None:
        self._room, self._items, self._closed = room, deque[T](), False
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: T) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._items) < self._room)
            self._items.append(item)
            self._changed.notify_all()

    async def close(self) -> None:
        """Nothing more will come."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def take(self, most: int, linger: float | int = 0) -> list[T]:
        """One to `most`, after at most `linger` seconds of waiting for more; [] at the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._items or self._closed)
            try:
                async with asyncio.timeout(linger):
                    await self._changed.wait_for(lambda: len(self._items) >= most or self._closed)
            except TimeoutError:
                pass
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken


class Line:
    """One run over a list of tasks."""

    def __init__(
        self,
        crew: Crew,
        output: Output,
        options: GenerateOptions,
        journal: Journal,
        meter: Meter,
        admitted: int | None = None,
    ) -> None:
        """Args:
        crew: who works.
        output: begun.
        options: of the run.
        journal, meter: told of everything.
        admitted: tasks in reasoning at a time; `options.in_flight` by default.
        """
        self._crew, self._output, self._options = crew, output, options
        self._journal, self._meter = journal, meter
        self._prepared: dict[str, asyncio.Task[Any]] = {}
        self._left: Counter[str] = Counter()
        self._admitted = asyncio.Semaphore(admitted or options.in_flight)
        self._preparing = asyncio.Semaphore(crew.preparers)
        self._alone = asyncio.Semaphore(1)
        self._ready: Inbox[tuple[Reasoned, Any]] = Inbox(READY)
        self._refined: Inbox[tuple[Refined, Any]] = Inbox(4 * crew.simulators + 4 * crew.slots)
        self._finished: Inbox[Finished] = Inbox(4 * options.shard)
        self._deaths = 0
        self.reasoning = 0
        """Tasks admitted to reasoning and not through with it."""

    async def run(self, tasks: Sequence[TaskSpec]) -> None:
        """Until every task is written.

        Raises:
          Stopped: what is written stays, and the same tasks may be run again.
          MachineError: a shard can't be written; of it nothing counts as finished.
        """
        self._left.update(task.object_key for task in tasks)
        writing, walking = asyncio.create_task(self._write()), asyncio.create_task(self._walk(tasks))
        try:
            # Whoever ends first says how it goes on: a writer that died must not be fed for ever.
            await asyncio.wait({writing, walking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _ended(walking, *self._prepared.values())
            await self._finished.close()  # stopped or not: what is finished is written
            await asyncio.shield(asyncio.wait({writing}))
        for each in (writing, walking):
            if not each.cancelled() and (error := each.exception()) is not None:
                raise _first(error) from None

    async def _walk(self, tasks: Sequence[TaskSpec]) -> None:
        """Three groups, each closed when the one before it has ended."""
        async with asyncio.TaskGroup() as simulating:
            for _ in range(2 * self._crew.simulators):
                simulating.create_task(self._simulate())
            async with asyncio.TaskGroup() as refining:
                for _ in range(2 * self._crew.refiners):
                    refining.create_task(self._refine())
                async with asyncio.TaskGroup() as reasoning:
                    for task in tasks:
                        await self._admitted.acquire()
                        self.reasoning += 1
                        reasoning.create_task(self._reason(task))
                await self._ready.close()
            await self._refined.close()

    async def _reason(self, task: TaskSpec) -> None:
        try:
            handle = await self._handle(task)
            self._meter.begin("reason")
            done = await self._crew.reason(task, handle)
            if isinstance(done.value, StageFault) and done.value.status == "actor_died":
                async with self._one_alone():  # perhaps a neighbour's fault: once more, without company
                    done = await self._crew.reason(task, handle)
            said = self._landed("reason", [task.task_id], done)
            self._meter.heed(said.grasp.calls)
            if said.grasp.status in STOPPING:
                raise Stopped(_why(said.grasp.status, said.grasp.status_reason))
            if said.grasp.status == "ok":
                await self._ready.put((said, handle))
            else:
                await self._finish(unfinished(self._output.hand, said))
        except StageFault as fault:
            await self._finish(self._stumbled(task, fault))
        finally:
            self.reasoning -= 1
            self._admitted.release()

    @asynccontextmanager
    async def _one_alone(self) -> AsyncIterator[None]:
        """Whoever waits for this asks nothing meanwhile, and no batch job may wait for its question."""
        self.reasoning -= 1
        try:
            await self._alone.acquire()
        finally:
            self.reasoning += 1
        try:
            yield
        finally:
            self._alone.release()

    async def _handle(self, task: TaskSpec) -> Any:
        key = task.object_key
        if key not in self._prepared:
            self._prepared[key] = asyncio.create_task(self._prepare(task))
        return await asyncio.shield(self._prepared[key])

    async def _prepare(self, task: TaskSpec) -> Any:
        async with self._preparing:
            self._meter.begin("prepare")
            return self._landed("prepare", [task.object], await self._crew.prepare(task))

    async def _refine(self) -> None:
        while batch := await self._ready.take(self._crew.slots, LINGER_S):
            self._meter.begin("refine", len(batch))
            for each, grasps in await self._refined_batch(batch):
                if isinstance(grasps, StageFault):
                    await self._finish(self._stumbled(each[0].task, grasps, each[0]))
                else:
                    await self._refined.put((Refined(each[0], grasps), each[1]))

    async def _refined_batch(
        self, batch: list[tuple[Reasoned, Any]]
    ) -> list[tuple[tuple[Reasoned, Any], Grasps | StageFault]]:
        """A batch over which the stage stumbles is refined task by task, so that only the culprit is lost."""
        names = [said.task.task_id for said, _ in batch]
        try:
            return list(
                zip(batch, self._landed("refine", names, await self._crew.refine(batch)), strict=True)
            )
        except StageFault as fault:
            if len(batch) == 1:
                return [(batch[0], fault)]
        return [pair for each in batch for pair in await self._refined_batch([each])]

    async def _simulate(self) -> None:
        while taken := await self._refined.take(1):
            refined, handle = taken[0]
            task = refined.reasoned.task
            self._meter.begin("simulate")
            try:
                done = await self._crew.simulate(refined, handle)
                await self._finish(self._landed("simulate", [task.task_id], done))
            except StageFault as fault:
                await self._finish(self._stumbled(task, fault, refined.reasoned))

    def _stumbled(self, task: TaskSpec, fault: StageFault, reasoned: Reasoned | None = None) -> Finished:
        return stumbled(task, self._options, self._output.hand, fault, reasoned)

    async def _write(self) -> None:
        while shard := await self._finished.take(self._options.shard, SHARD_S):
            name = await asyncio.to_thread(self._output.write, shard)
            self._journal.write("shard", name=name, tasks=len(shard), done=len(self._output.done))
            await asyncio.to_thread(self._journal.sync)
            self._meter.wrote(shard)

    async def _finish(self, finished: Finished) -> None:
        if finished.status == "actor_died":
            self._deaths += 1
            if self._deaths >= MOST_DEATHS:
                raise Stopped(f"actors died over {MOST_DEATHS} tasks in a row; the last: {finished.reason}")
        else:
            self._deaths = 0
        key = finished.task.object_key
        self._left[key] -= 1
        if self._left[key] == 0:
            self._prepared.pop(key, None)  # lets go of the object
        await self._finished.put(finished)

    def _landed(self, stage: str, names: Sequence[str], done: Timed[T]) -> T:
        """The value, with its span in the log.

        Raises:
          StageFault: if that is what it is.
          Stopped: a fault of the machine.
        """
        failed = {"fault": done.value.status} if isinstance(done.value, StageFault) else {}
        self._journal.span(stage, names, done.begin, done.end, done.pid, **done.more, **failed)
        self._meter.end(stage, len(names), done.end - done.begin)
        if isinstance(done.value, StageFault):
            if done.value.status == Status.MACHINE_FAULT:
                raise Stopped(_why(done.value.status, done.value.reason))
            raise done.value
        return done.value


def _why(status: str, reason: str) -> str:
    return "budget" if status == Status.BUDGET_EXHAUSTED else f"{status}: {reason}"


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancelled, if they weren't through; what they raised is for others to look at."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _first(error: BaseException) -> BaseException:
    """What a group of groups is about: a wish to stop before anything that followed from it."""
    leaves: list[BaseException] = []
    heap: list[BaseException] = [error]
    while heap:
        error = heap.pop(0)
        if isinstance(error, BaseExceptionGroup):
            heap.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((e for e in leaves if isinstance(e, Stopped)), leaves[0])
