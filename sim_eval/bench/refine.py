"""How fast refinement is on every path, against a pairwise reference, and whether it ends as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax

from sim_eval.bench.monitor import Compilations, ceilings, machine, peak_memory
from sim_eval.bench.paths import PathRun, chunks_of, exact_terms, figures_of, run_lookup, run_pairwise
from sim_eval.bench.tasks import bench_objects, bench_specs, bench_tasks
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.refine import RefineConfig, Task, refine_many
from zdg_jax.refine.batching import Device
from zdg_jax.refine.driver import choose_path, functions, is_cuda
from zdg_jax.refine.problem import build_problem

# Very many grasps over very many objects in one call.
OBJECTS, GRASPS = 200, 100_000
#: What a CPU is asked for at most.
MOST_ON_CPU = 2048


def bench_scale(options: RefineBench, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """One `refine_many` call, by the path that "auto" takes, compilation included.

    Args:
      options: objects and grasps are 200 and 100000 if None; paths and pairwise_grasps don't matter.
      say: told what runs.

    Returns:
      Ready for JSON: `machine`, `scale` (wall seconds, grasps a second, chunks, compilations in all and
      after the first chunk, how many shapes of each function were, rows by status, peak memory).

    Raises:
      UserError: too much for a CPU.
    """
    devices = chosen_devices(options.devices)
    objects = OBJECTS if options.objects is None else options.objects
    grasps = GRASPS if options.grasps is None else options.grasps
    check_counts(objects=objects, grasps=grasps, seeds=options.seeds, steps=options.steps)
    if devices[0].platform == "cpu" and grasps > MOST_ON_CPU:
        raise UserError(
            f"a scale test of {grasps} grasps on a CPU", f"an accelerator, or at most {MOST_ON_CPU}",
            "give --grasps and --objects",
        )  # fmt: skip
    if objects > grasps:
        raise UserError(f"{grasps} grasps on {objects} objects", "at least one on each", "change --grasps")
    hand, config = load_hand(options.hand), options.config
    say(f"{objects} objects")
    begin = time.perf_counter()
    things = bench_objects(bench_specs(objects, options.meshes))
    prepared = time.perf_counter() - begin
    tasks = bench_tasks(hand, things, grasps, options.seeds, points=options.points)
    problems = [build_problem(hand, t.obj, t.grasp, config) for t in tasks]
    shape, chunks = chunks_of(problems, [t.num for t in tasks], devices)
    path = choose_path(hand, config.path, devices)
    used = functions(hand, config.optimizer, path, tuple(devices[: shape.devices]))._asdict()
    before = {name: f._cache_size() for name, f in used.items()}
    done: list[float] = []

    def on_batch(ended: int, _: int) -> None:
        done.append(time.perf_counter())
        say(f"{ended} of {grasps} grasps")

    with Compilations() as seen:
        begin = time.perf_counter()
        refined = refine_many(hand, tasks, config=config, devices=devices, on_batch=on_batch)
        wall = time.perf_counter() - begin
    memory = peak_memory(devices)
    statuses = [str(status) for r in refined for status in r.status_name]
    return {
        "machine": machine(devices),
        "scale": {
            "hand": hand.name,
            "path": path,
            "objects": len({obj.mesh_sha256 for obj in things}),
            "tasks": len(tasks),
            "grasps": grasps,
            "steps": options.steps,
            "devices": shape.devices,
            "prepare_s": prepared,
            "wall_s": wall,
            "compile_s": seen.seconds,
            "grasps_per_s": grasps / wall,
            "chunks": len(chunks),
            "grasps_a_chunk": int(chunks[0].row.size),
            "compilations": seen.count,
            "compilations_after_first_chunk": sum(t > done[0] for t in seen.built),
            "shapes_compiled": {name: f._cache_size() - before[name] for name, f in used.items()},
            "status": {status: statuses.count(status) for status in sorted(set(statuses))},
            **memory,
        },
    }


PATHS = ("pairwise", "xla", "kernel")
#: (objects, grasps, pairwise grasps) where nothing else is asked for.
_ON_CPU, _ELSEWHERE = (8, 512, 16), (64, 16384, 1024)


@dataclass(frozen=True)
class RefineBench:
    """What to measure.

    Attributes:
      objects, grasps, pairwise_grasps: None: by device.
      seeds: starts a task.
      steps: of Adam.
      paths: of `PATHS`.
      hand: a built-in hand.
      devices: "all", or how many of the local ones.
      meshes: OBJECT arguments; all YCB scans if empty.
      points: thumb and index finger have key points (E_point works).
    """

    objects: int | None = None
    grasps: int | None = None
    seeds: int = 64
    steps: int = 600
    paths: tuple[str, ...] = PATHS
    hand: str = "human16"
    pairwise_grasps: int | None = None
    devices: str = "all"
    meshes: tuple[str, ...] = ()
    points: bool = False

    @property
    def config(self) -> RefineConfig:
        """Key points are not the paper's: they count where there are several hypotheses."""
        return RefineConfig(steps=self.steps, hypotheses=2 if self.points else 1)


def bench_refine(options: RefineBench, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Every path on the same tasks and starts: speed, compilations, memory, and final exact energies.

    Args:
      options: what to measure.
      say: told what runs.

    Returns:
      Ready for JSON: `machine`, `ceilings`, `tasks`, `paths` (for each path its figures, `energy`,
      `roofline`, and `ratio_to_pairwise`, grasps a second on one device), `notes`.

    Raises:
      UserError: an unknown path, hand or device count, or no path left that runs here.
    """
    devices = chosen_devices(options.devices)
    paths, notes = _paths(options.paths, devices)
    hand, config = load_hand(options.hand), options.config
    objects, grasps, few = _ON_CPU if devices[0].platform == "cpu" else _ELSEWHERE
    objects = objects if options.objects is None else options.objects
    grasps = max(objects, grasps) if options.grasps is None else options.grasps
    few = min(grasps, few) if options.pairwise_grasps is None else options.pairwise_grasps
    check_counts(objects=objects, grasps=grasps, seeds=options.seeds, steps=options.steps)
    if not (objects <= grasps and 1 <= few <= grasps):
        raise UserError(
            f"{grasps} grasps, {few} of them pairwise, on {objects} objects",
            "objects <= grasps and 1 <= pairwise grasps <= grasps",
            "change --grasps, --pairwise-grasps or --objects",
        )
    say(f"{objects} objects")
    begin = time.perf_counter()
    things = bench_objects(bench_specs(objects, options.meshes))
    prepared = time.perf_counter() - begin
    tasks = bench_tasks(hand, things, grasps, options.seeds, points=options.points)
    shared, each = _shared(tasks, few)
    say("ceilings")
    most = ceilings(devices[0])
    runs: dict[str, PathRun] = {}
    for path in sorted(paths, key=lambda p: p == "pairwise"):  # its memory would hide the others'
        say(path)
        if path == "pairwise":
            runs[path] = run_pairwise(hand, [tasks[t] for t in shared], each, config, devices[0])
        else:
            runs[path] = run_lookup(hand, tasks, config, path, devices)  # type: ignore[arg-type]
    say("energies")
    terms = {
        path: exact_terms(hand, [tasks[t] for t in shared], run, shared if path != "pairwise" else None, each)
        for path, run in runs.items()
    }
    return {
        "machine": machine(devices),
        "ceilings": most,
        "tasks": {
            "hand": hand.name,
            "objects": objects,
            "prepare_s": prepared,
            "tasks": len(tasks),
            "grasps": grasps,
            "seeds": options.seeds,
            "steps": options.steps,
            "points": options.points,
            "compared_grasps": len(shared) * each,
        },
        "paths": {
            path: figures_of(hand, path, runs, terms, most, len(things[0].samples.points), config)
            for path in paths
        },
        "notes": notes,
    }


def chosen_devices(devices: str) -> list[Device]:
    """The first so many local devices, or "all".

    Raises:
      UserError: neither "all" nor a number of devices that are there.
    """
    local = jax.local_devices()
    if devices == "all":
        return list(local)
    if not devices.isdigit() or not 1 <= int(devices) <= len(local):
        raise UserError(f"devices {devices!r}", f"all, or 1 to {len(local)}", "change --devices")
    return list(local[: int(devices)])


def check_counts(**counts: int) -> None:
    """Refuse counts below 1.

    Raises:
      UserError: one is.
    """
    for name, value in counts.items():
        if value < 1:
            raise UserError(f"--{name} {value}", "at least 1", f"choose another --{name}")


def _paths(
    wanted: Sequence[str], devices: Sequence[Device]
) -> tuple[list[Literal["pairwise", "xla", "kernel"]], list[str]]:
    for path in wanted:
        if path not in PATHS:
            raise UserError(f"path {path!r}", f"some of {', '.join(PATHS)}", "change --paths")
    paths = [path for path in PATHS if path in wanted]
    notes = []
    if "kernel" in paths and not all(is_cuda(d) for d in devices):
        paths.remove("kernel")
        notes.append(f"no kernel path: it needs a CUDA device, this is {devices[0].platform}")
    if not paths:
        raise UserError(
            f"no path that runs here ({'; '.join(notes) or 'none named'})",
            f"some of {', '.join(PATHS)}",
            "change --paths",
        )
    return paths, notes  # type: ignore[return-value]


def _shared(tasks: Sequence[Task], few: int) -> tuple[list[int], int]:
    """Which tasks, spread evenly, and how many starts of each go through all paths."""
    count = min(len(tasks), few)
    numbers = [i * len(tasks) // count for i in range(count)]
    fewest = min(tasks[i].num for i in numbers)
    return numbers, min(fewest, -(-few // count))
