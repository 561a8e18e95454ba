"""Which units make a run, who runs them, and the pictures of those that failed."""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from PIL import Image

from pipelines.benchmark.group import Bench, Group, Units, Worker, WorkerDied, environment, make_bench
from pipelines.benchmark.methods import MethodGrasps
from pipelines.benchmark.page import Run, failures
from pipelines.benchmark.rows import Crew
from pipelines.benchmark.unit import (
    UnitOptions,
    failed,
    measure_unit,
    stored_unit,
    unit_key,
    unit_path,
    written,
)
from pipelines.pictures import kept_grasps
from sim_eval.benchmark.instructions import Instruction, SetName, instructions, split
from zdg_jax import api
from zdg_jax.errors import UserError, printable
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.parts.named import with_named_parts

# Who runs the groups of a benchmark: this process, several processes, or Ray actors (all see one `out`).
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

        from pipelines.drivers import crew as crew_ray
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


def chosen_instructions(
    set_name: SetName, half: str = "all", only: Sequence[str] = (), limit: int | None = None
) -> tuple[Instruction, ...]:
    """The instructions of a run; with a limit, one of each category first, then a second one, and so on.

    Raises:
      UserError: nothing is left.
    """
    halves = split(set_name)
    kept = [
        i
        for i in instructions(set_name)
        if half in ("all", halves[i.category]) and (not only or any(text in i.id for text in only))
    ]
    if limit is not None and limit < len(kept):
        by: dict[str, list[Instruction]] = {}
        for i in kept:
            by.setdefault(i.category, []).append(i)
        # category k starts with its k-th instruction, so that intents and variants mix
        turned = [own[k % len(own) :] + own[: k % len(own)] for k, own in enumerate(by.values())]
        in_turn = [i for layer in zip_longest(*turned) for i in layer if i is not None]
        chosen = {i.id for i in in_turn[:limit]}
        kept = [i for i in kept if i.id in chosen]
    if not kept:
        raise UserError("no instruction with these choices", "at least one", "loosen --half or --only")
    return tuple(kept)


def run_all(
    wanted: Sequence[Instruction],
    rows: Sequence[str],
    methods: Sequence[MethodGrasps],
    options: UnitOptions,
    out: Path,
    crew: Crew | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Every (row, instruction), read from its file where a run with the same options has finished it."""
    names = (*rows, *(method.name for method in methods))
    sources = {method.name: method.source for method in methods}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in names:
        for i in wanted:
            result = stored_unit(unit_path(out, row, i), unit_key(i, row, options))
            # another file of a method's is another result
            if result is not None and (row not in sources or result.get("source") == sources[row](i.id)):
                found[row, i.id] = result
    left = len(names) * len(wanted) - len(found)
    load_hand(options.hand)
    if any((row, i.id) not in found for row in rows for i in wanted):
        api.close_reasoner(api.make_reasoner(options.asked, check=True))

    def done(units: Sequence[dict[str, Any]]) -> None:
        nonlocal left
        for unit in units:
            found[unit["row"], unit["id"]] = unit
            left -= 1
            _say(left, unit)

    run_groups(groups_of(wanted, rows, set(found)), crew or Crew(), options, out, done)
    for method in methods:
        for i in wanted:
            if (method.name, i.id) not in found:
                done([measure_unit(i, method, options, out)])
    return {row: [found[row, i.id] for i in wanted] for row in names}


def groups_of(
    wanted: Sequence[Instruction], rows: Sequence[str], done: Container[tuple[str, str]]
) -> list[Group]:
    """The units that are left, those of one object together.

    Args:
      wanted: instructions, in order.
      rows: of the table.
      done: (row, instruction id) of those that are there.
    """
    by: dict[str, list[tuple[Instruction, str]]] = {}
    for i in wanted:
        for row in rows:
            if (row, i.id) not in done:
                by.setdefault(i.object, []).append((i, row))
    return [Group(number, tuple(units)) for number, units in enumerate(by.values())]


def draw_failures(
    run: Run, options: UnitOptions, methods: Sequence[MethodGrasps], most: int
) -> dict[tuple[str, str], Image.Image]:
    """The best grasp of each failed unit, the labelled parts in blue; at most `most` a row."""
    hands = {method.name: method.hand for method in methods}
    pictures = {}
    for row, units in run.units.items():
        hand = hands.get(row) or load_hand(options.hand)
        for unit, _ in [f for f in failures(units) if f[0]["grasps"]][:most]:
            instruction = run.instructions[unit["id"]]
            obj, names = with_named_parts(load_object(instruction.object, seed=options.seed))
            target = [names.index(n) + 1 for n in {*instruction.hand_parts, *instruction.func_parts}]
            best = {
                "energy_total": float("nan"),
                **unit["grasps"][0],
                "part_ids": target,
                "grasp_type": unit.get("grasp_type", row),
            }
            if all(best[name] is not None for name in ("p_dep_cm", "p_vol_cm3", "sim_dis_cm")):
                pictures[row, unit["id"]] = kept_grasps(obj, hand, [best], size=220, columns=1)
    return pictures


def _say(left: int, unit: dict[str, Any]) -> None:
    best = unit["grasps"][0] if unit["grasps"] else {}
    shown = {name: best.get(name) for name in ("part_acc", "sc_ratio", "p_dep_cm", "sim_suc")}
    said = ", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
    line = f"[{left} left] {unit['row']} {unit['id']}: {unit['status']}, {said}"
    print(printable(line), file=sys.stderr, flush=True)
