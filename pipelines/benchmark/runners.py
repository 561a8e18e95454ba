"""Who runs the groups of a benchmark: this process, several processes, or Ray actors (all see one `out`)."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.benchmark.group import Bench, Group, Units, Worker, WorkerDied, environment, make_bench
from pipelines.benchmark.rows import Crew
from pipelines.benchmark.unit import UnitOptions, failed, written
from zdg_jax.errors import UserError

TRIES = 2  # processes that one group may take with it before it is given up


def run_groups(
    groups: Sequence[Group], crew: Crew, options: UnitOptions, out: Path, done: Callable[[Units], None]
) -> None:
    """Run all groups; each writes its units itself, so that whatever ends this run, they are kept.

    Args:
      groups: of units that have no result yet.
      crew: who runs them.
      options: see `UnitOptions`.
      out: the run's folder, which all workers see.
      done: told the units of each group as it ends, one call at a time.

    Raises:
      UserError: no worker can be made.
    """
    if not groups:
        return
    if crew.runner == "here":
        worker = _Here(options, out)
        try:
            for group in groups:
                done(worker.run(group))
        finally:
            worker.close()
        return
    crew_of = _processes if crew.runner == "processes" else _ray
    with crew_of(crew, options, out) as workers:
        _share_out(groups, workers, options, out, done)


def _share_out(
    groups: Sequence[Group],
    workers: Sequence[Worker],
    options: UnitOptions,
    out: Path,
    done: Callable[[Units], None],
) -> None:
    """One thread a worker, each taking the next group; one that kills its process twice is given up."""
    left: queue.SimpleQueue[tuple[Group, int]] = queue.SimpleQueue()
    for group in groups:
        left.put((group, 1))
    lock, faults = threading.Lock(), []

    def work(worker: Worker) -> None:
        while not faults:
            try:
                group, attempt = left.get_nowait()
            except queue.Empty:
                return
            try:
                units = worker.run(group)
            except WorkerDied as death:
                if attempt < TRIES:
                    left.put((group, attempt + 1))
                    continue
                gone = failed("worker_died", f"{TRIES} processes died over this object: {death}")
                units = [written(out, row, instruction, options, gone) for instruction, row in group.units]
            except BaseException as error:
                faults.append(error)
                return
            with lock:
                done(units)

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


class _Here:
    def __init__(self, options: UnitOptions, out: Path) -> None:
        self._bench = make_bench(options, out)

    def run(self, group: Group) -> Units:
        return self._bench.run(group)

    def close(self) -> None:
        self._bench.close()


_bench: Bench | None = None  # of a worker process


def _start(options: UnitOptions, out: Path) -> None:
    """First thing in a worker process."""
    global _bench
    _bench = make_bench(options, out, threads=1)


def _run(group: Group) -> Units:
    if _bench is None:
        raise RuntimeError("a worker process that was not started by `_start`")
    return _bench.run(group)


class _Process:
    """A pool of one, so that a death is laid to the group that was under way."""

    def __init__(self, options: UnitOptions, out: Path) -> None:
        self._start = (options, out)
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")  # a fork would inherit threads' locks
        return ProcessPoolExecutor(1, spawn, _start, self._start)

    def run(self, group: Group) -> Units:
        try:
            return self._pool.submit(_run, group).result()
        except BrokenProcessPool as error:
            self.close()
            self._pool = self._new()
            raise WorkerDied(str(error).splitlines()[0]) from error

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _processes(crew: Crew, options: UnitOptions, out: Path) -> Iterator[list[Worker]]:
    before = dict(os.environ)
    os.environ.update(environment(crew.workers))  # inherited: libraries read it when they are imported
    workers: list[Worker] = [_Process(options, out) for _ in range(crew.workers)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()
        os.environ.clear()
        os.environ.update(before)


class BenchActor:
    """A worker's process on any machine."""

    def __init__(self, options: UnitOptions, out: str) -> None:
        self._bench: Bench = make_bench(options, Path(out), threads=1)

    def hello(self) -> bool:
        """Answers once it can work."""
        return True

    def run(self, group: Group) -> Units:
        return self._bench.run(group)


class _OnRay:
    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def run(self, group: Group) -> Units:
        import ray
        from ray.exceptions import RayActorError

        try:
            return ray.get(self._actor.run.remote(group))
        except RayActorError as error:
            raise WorkerDied(str(error).strip().splitlines()[0]) from error

    def close(self) -> None:
        import ray

        ray.kill(self._actor)


@contextmanager
def _ray(crew: Crew, options: UnitOptions, out: Path) -> Iterator[list[Worker]]:
    """`crew.workers` actors, spread over the cluster; the GPUs there are shared evenly.

    Raises:
      UserError: no Ray, no cluster answers, or an actor can't start.
    """
    try:
        import ray
        from ray.exceptions import RayActorError, RayTaskError

        from pipelines.drivers.ray import crew as crew_ray
    except ImportError as error:
        raise UserError(
            f"--runner ray without Ray ({error})",
            "the package ray",
            "install it, or choose --runner processes",
        ) from error
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
        yield [_OnRay(worker) for worker in workers]
    finally:
        crew_ray.disconnect(local)
