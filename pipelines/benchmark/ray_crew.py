"""The benchmark's workers as Ray actors. Their `out` must be a folder that all machines share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from pipelines.benchmark.crew import Crew
from pipelines.benchmark.group import Bench, Group, Units, WorkerDied, environment, make_bench
from pipelines.benchmark.unit import UnitOptions
from pipelines.drivers.ray import crew as crew_ray


class BenchActor:
    """A worker's process on any machine."""

    def __init__(self, options: UnitOptions, out: str) -> None:
        self._bench: Bench = make_bench(options, Path(out), threads=1)

    def hello(self) -> bool:
        """Answers once it can work."""
        return True

    def run(self, group: Group) -> Units:
        return self._bench.run(group)


class _Actor:
    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def run(self, group: Group) -> Units:
        try:
            return ray.get(self._actor.run.remote(group))
        except RayActorError as error:
            raise WorkerDied(str(error).strip().splitlines()[0]) from error

    def close(self) -> None:
        ray.kill(self._actor)


@contextmanager
def actors(crew: Crew, options: UnitOptions, out: Path) -> Iterator[list[_Actor]]:
    """`crew.workers` actors, spread over the cluster; the GPUs there are shared evenly.

    Raises:
      UserError: no cluster answers, or an actor can't start.
    """
    local = crew_ray.connect(crew.address)
    try:
        resources = ray.cluster_resources()
        cpus, gpus = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
        env = {**crew_ray.environment(), **environment(crew.workers)}
        made = ray.remote(BenchActor).options(
            num_cpus=1 if crew.workers <= cpus else 0,
            num_gpus=min(1.0, gpus / crew.workers),
            max_restarts=-1,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": env},
        )
        workers = [made.remote(options, str(out.resolve())) for _ in range(crew.workers)]
        try:
            ray.get([worker.hello.remote() for worker in workers])
        except (RayActorError, RayTaskError) as error:
            raise crew_ray.cannot_start(error) from error
        yield [_Actor(worker) for worker in workers]
    finally:
        crew_ray.disconnect(local)
