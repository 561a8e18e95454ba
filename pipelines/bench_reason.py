"""How many calls the reasoning stage keeps in flight: `python -m pipelines.bench_reason --reasoner NAME`.

The stage alone, on a local Ray cluster, with as many tasks as asked; `--warm` lets one task of each object go
before, so that pictures that do not depend on the sentence are drawn. A model server must be running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from dataclasses import replace
from typing import Any

import ray

from pipelines.cluster.tasks import TaskSpec
from pipelines.drivers.ray.crew import RayCrew, connect
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


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reasoner", default="openai-chat:m")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--warm", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        options = GenerateOptions(
            "", out, reasoner=asked.reasoner, concurrency=asked.concurrency, in_flight=asked.tasks,
            pictures=False,
        )  # fmt: skip
        connect(None)
        print(json.dumps(asyncio.run(bench(options, asked.tasks, asked.warm))))
        ray.shutdown()


if __name__ == "__main__":
    main()
