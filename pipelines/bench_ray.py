"""Ray under the stages: `python -m pipelines.bench_ray reasoning --reasoner NAME`, or `streaming`.

reasoning: how many calls the stage keeps in flight. The stage alone, on a local Ray cluster, with as many
tasks as asked; `--warm` lets one task of each object go before, so that pictures that do not depend on the
sentence are drawn. A model server must be running.
streaming: Ray Data against Ray Core's actors, on stand-in stages. Each task asks six times 0.5 s one after
the other, as reasoning does; refining a batch of eight takes 0.1 s; one task stumbles. What was found is in
docs/decisions.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import ray

from pipelines.drivers.crew import RayCrew, connect
from pipelines.drivers.tasks import TaskSpec
from pipelines.options import GenerateOptions
from pipelines.stages.messages import StageFault

SCANS = ("025_mug", "048_hammer", "011_banana", "006_mustard_bottle")


async def bench(options: GenerateOptions, count: int, warm: bool) -> dict[str, Any]:
    """Calls in flight, from the first answer to the last question, and what the processors did.

    Args:
      options: reasoner, concurrency, tasks in reasoning.
      count: tasks.
      warm: let one task of each object go before.
    """
    crew = RayCrew(options, lambda *_: None)
    await crew.begin()
    first = [TaskSpec(f"w{i}", f"ycb:{name}", "warm up") for i, name in enumerate(SCANS)]
    handles = {task.object: (await crew.prepare(task)).value for task in first}
    process = [0.0, 0.0]
    if warm:
        done = await asyncio.gather(*(crew.reason(task, handles[task.object]) for task in first))
        process[0] = max(each.more["process_s"] for each in done)
    tasks = [
        replace(first[i * len(first) // count], task_id=f"t{i}", task=f"move it to place {i}")
        for i in range(count)
    ]
    samples: list[tuple[float, int]] = []

    async def sample() -> None:
        while True:
            samples.append((time.time(), (await crew.gateway(0))["in_flight"]))
            await asyncio.sleep(0.05)

    before = (await crew.gateway(0))["sent"]
    sampling, begin = asyncio.create_task(sample()), time.time()
    done = await asyncio.gather(*(crew.reason(task, handles[task.object]) for task in tasks))
    wall = time.time() - begin
    sampling.cancel()
    process[1] = max(each.more["process_s"] for each in done)
    calls = (await crew.gateway(0))["sent"] - before
    live = [n for at, n in samples if at - begin > 1.0]
    middle = sorted(live)
    statuses = [
        each.value.status if isinstance(each.value, StageFault) else each.value.grasp.status for each in done
    ]
    return {
        "tasks": count,
        "warm": warm,
        "wall_s": round(wall, 1),
        "calls": calls,
        "calls_per_s": round(calls / wall, 1),
        "in_flight_mean": round(sum(live) / len(live), 1),
        "in_flight_median": middle[len(middle) // 2],
        "in_flight_max": middle[-1],
        "share_of_time_at_60_or_more": round(sum(n >= 60 for n in live) / len(live), 2),
        "reasoning_process_s": round(process[1] - process[0], 1),
        "load": os.getloadavg()[0],
        "status": {status: statuses.count(status) for status in set(statuses)},
    }


def _reasoning(asked: argparse.Namespace) -> None:
    """Print one line of JSON."""
    with tempfile.TemporaryDirectory() as out:
        options = GenerateOptions(
            "", out, reasoner=asked.reasoner, concurrency=asked.concurrency, in_flight=asked.tasks,
            pictures=False,
        )  # fmt: skip
        connect(None)
        print(json.dumps(asyncio.run(bench(options, asked.tasks, asked.warm))))
        ray.shutdown()


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
    notes = ray.remote(Notes).options(num_cpus=0).remote()
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


class CoreRefine:
    def __init__(self, notes: Any) -> None:
        self.stage = DataRefine(notes)

    def refine(self, tasks: list[int]) -> list[int]:
        padded = np.resize(np.array(tasks), BATCH)
        return self.stage({"task": padded})["task"][: len(tasks)].tolist()


def with_core(tasks: int, bad: bool) -> dict[str, Any]:
    """Ray Core: asynchronous actors with a bounded inbox between them, as in `pipelines.drivers.line`."""
    from pipelines.drivers.line import Inbox

    notes = ray.remote(Notes).options(num_cpus=0).remote()
    ids = [t for t in range(tasks) if bad or t != BAD]
    begin, out = time.time(), []

    async def everything() -> None:
        remote = ray.remote(CoreReason).options(num_cpus=0, max_concurrency=1000)
        reason, refine = remote.remote(notes), ray.remote(CoreRefine).options(num_cpus=0).remote(notes)
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


def _streaming(asked: argparse.Namespace) -> None:
    """Print one line of JSON for each way."""
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    n = asked.tasks
    ways = {
        "core": lambda bad: with_core(n, bad),
        "data, default blocks, batches of 8": lambda bad: with_data(n, bad, None, 8, 32),
        "data, one task a block": lambda bad: with_data(n, bad, n, 1, 64),
    }
    for name, way in ways.items():
        for bad in (False, True):
            print(json.dumps({"way": name, "bad task": bad, **way(bad)}), flush=True)
    ray.shutdown()


def main() -> None:
    """`reasoning` or `streaming`; results are lines of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(required=True)
    reasoning = kinds.add_parser("reasoning")
    reasoning.add_argument("--reasoner", default="openai-chat:m")
    reasoning.add_argument("--tasks", type=int, default=200)
    reasoning.add_argument("--concurrency", type=int, default=256)
    reasoning.add_argument("--warm", action="store_true")
    reasoning.set_defaults(run=_reasoning)
    streaming = kinds.add_parser("streaming")
    streaming.add_argument("--tasks", type=int, default=240)
    streaming.set_defaults(run=_streaming)
    asked = parser.parse_args()
    asked.run(asked)


if __name__ == "__main__":
    main()
