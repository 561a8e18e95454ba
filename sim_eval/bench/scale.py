"""Very many grasps over very many objects in one call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sim_eval.bench.monitor import Compilations, machine, peak_memory
from sim_eval.bench.paths import chunks_of
from sim_eval.bench.refine import RefineBench, check_counts, chosen_devices
from sim_eval.bench.tasks import bench_objects, bench_specs, bench_tasks
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.refine import RefineConfig, refine_many
from zdg_jax.refine.devices import choose_path, functions
from zdg_jax.refine.problem import build_problem

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
    hand, config = load_hand(options.hand), RefineConfig(steps=options.steps)
    say(f"{objects} objects")
    begin = time.perf_counter()
    things = bench_objects(bench_specs(objects, options.meshes))
    prepared = time.perf_counter() - begin
    tasks = bench_tasks(hand, things, grasps, options.seeds)
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
