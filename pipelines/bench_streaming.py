"""Ray Data's streaming against Ray Core's actors, on stand-in stages: `python -m pipelines.bench_streaming`.

Each task asks six times 0.5 s one after the other, as reasoning does; refining a batch of eight takes 0.1 s;
one task stumbles. What was found is in docs/decisions.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import numpy as np
import ray

QUESTIONS, ANSWER_S, BATCH, REFINE_S, BAD = 6, 0.5, 8, 0.1, 17


async def ask(log: list[tuple[float, int]], live: list[int], task: int) -> int:
    """The calls of one task; the log says how many were in flight when."""
    for question in range(QUESTIONS):
        live[0] += 1
        log.append((time.time(), live[0]))
        await asyncio.sleep(ANSWER_S)
        live[0] -= 1
        log.append((time.time(), live[0]))
        if task == BAD and question == 2:
            raise ValueError("one bad task")
    return task


@ray.remote(num_cpus=0)
class Notes:
    """What the stages of either side saw."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, int]] = []
        self.batches: list[tuple[float, int]] = []

    def add(self, calls: list[tuple[float, int]], batches: list[tuple[float, int]]) -> None:
        self.calls += calls
        self.batches += batches

    def all(self) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        return self.calls, self.batches


class DataReason:
    """A UDF of Ray Data; asynchronous, so that its batches overlap."""

    def __init__(self, notes: Any) -> None:
        self.notes, self.live = notes, [0]

    async def __call__(self, batch: dict[str, np.ndarray]) -> AsyncIterator[dict[str, np.ndarray]]:
        log: list[tuple[float, int]] = []
        try:
            done = await asyncio.gather(*(ask(log, self.live, int(t)) for t in batch["task"]))
        finally:
            await self.notes.add.remote(log, [])
        yield {"task": np.array(done)}


class DataRefine:
    """The other one: takes what it is given."""

    def __init__(self, notes: Any) -> None:
        self.notes = notes

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        time.sleep(REFINE_S)
        self.notes.add.remote([], [(time.time(), len(batch["task"]))])
        return batch


def with_data(tasks: int, bad: bool, blocks: int | None, rows: int, concurrency: int) -> dict[str, Any]:
    """Ray Data: actor pools, zero processors a UDF, errored blocks allowed as its documentation says."""
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = -1
    context.enable_progress_bars = False
    notes = Notes.remote()
    ids = [t for t in range(tasks) if bad or t != BAD]
    begin = time.time()
    data = ray.data.from_items([{"task": t} for t in ids], override_num_blocks=blocks)
    common = {"fn_constructor_args": (notes,), "num_cpus": 0}
    pool = ray.data.ActorPoolStrategy
    reasoners = pool(size=1, max_tasks_in_flight_per_actor=concurrency)
    data = data.map_batches(
        DataReason, batch_size=rows, compute=reasoners, max_concurrency=concurrency, **common
    )
    data = data.map_batches(DataRefine, batch_size=BATCH, compute=pool(size=1), **common)
    out = [row["task"] for row in data.iter_rows()]
    return _found(notes, begin, ids, out)


class CoreReason:
    def __init__(self, notes: Any) -> None:
        self.notes, self.live = notes, [0]

    async def reason(self, task: int) -> int | None:
        log: list[tuple[float, int]] = []
        try:
            return await ask(log, self.live, task)
        except ValueError:
            return None
        finally:
            await self.notes.add.remote(log, [])


@ray.remote(num_cpus=0)
class CoreRefine:
    def __init__(self, notes: Any) -> None:
        self.stage = DataRefine(notes)

    def refine(self, tasks: list[int]) -> list[int]:
        padded = np.resize(np.array(tasks), BATCH)
        return self.stage({"task": padded})["task"][: len(tasks)].tolist()


def with_core(tasks: int, bad: bool) -> dict[str, Any]:
    """Ray Core: asynchronous actors with a bounded inbox between them, as in `pipelines.drivers.ray.line`."""
    from pipelines.drivers.ray.line import Inbox

    notes = Notes.remote()
    ids = [t for t in range(tasks) if bad or t != BAD]
    begin, out = time.time(), []

    async def everything() -> None:
        remote = ray.remote(CoreReason).options(num_cpus=0, max_concurrency=1000)
        reason, refine = remote.remote(notes), CoreRefine.remote(notes)
        ready: Inbox[int] = Inbox(64)

        async def one(task: int) -> None:
            said = await reason.reason.remote(task)
            if said is not None:
                await ready.put(said)

        async def refining() -> None:
            while batch := await ready.take(BATCH, 1.0):
                out.extend(await refine.refine.remote(batch))

        async with asyncio.TaskGroup() as group:
            group.create_task(refining())
            async with asyncio.TaskGroup() as asking:
                for task in ids:
                    asking.create_task(one(task))
            await ready.close()

    asyncio.run(everything())
    return _found(notes, begin, ids, out)


def _found(notes: Any, begin: float, ids: list[int], out: list[int]) -> dict[str, Any]:
    wall = time.time() - begin
    calls, batches = ray.get(notes.all.remote())
    calls.sort()
    live = [n for _, n in calls]
    spent = [(b[0] - a[0]) * a[1] for a, b in pairwise(calls)]
    first = min(t for t, _ in batches) if batches else None
    return {
        "wall_s": round(wall, 1),
        "in_flight_max": max(live, default=0),
        "in_flight_mean": round(sum(spent) / (calls[-1][0] - calls[0][0]), 1) if calls else 0,
        "batch_sizes": dict(Counter(n for _, n in batches)),
        "refining_began_before_asking_ended": bool(first and first < calls[-1][0]),
        "lost_besides_the_bad_one": len(set(ids) - set(out) - {BAD}),
        "twice": len(out) - len(set(out)),
    }


def main() -> None:
    """Print one line of JSON for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=240)
    options = parser.parse_args()
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    n = options.tasks
    ways = {
        "core": lambda bad: with_core(n, bad),
        "data, default blocks, batches of 8": lambda bad: with_data(n, bad, None, 8, 32),
        "data, one task a block": lambda bad: with_data(n, bad, n, 1, 64),
    }
    for name, way in ways.items():
        for bad in (False, True):
            print(json.dumps({"way": name, "bad task": bad, **way(bad)}), flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
