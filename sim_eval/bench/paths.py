"""Running and timing one path of refinement; every path gets the same tasks and the same starts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from sim_eval.bench import pairwise
from sim_eval.bench.monitor import Compilations, peak_memory
from sim_eval.bench.pairwise import clouds
from zdg_jax.hands.model import HandModel
from zdg_jax.refine import RefineConfig, Task, refine_many
from zdg_jax.refine.batching import Batch, Device, Shape, batch_shape, plan, starts_per_slot
from zdg_jax.refine.devices import functions, put, stack_on
from zdg_jax.refine.optimize import Path, Schedule, compiled
from zdg_jax.refine.problem import Problem, build_problem
from zdg_jax.refine.variables import to_field, to_object

_LOOP_STEPS = 60  # of the loop timed by itself; a step costs the same at every step


@dataclass(frozen=True)
class PathRun:
    """What one path took, and where its grasps ended.

    Attributes:
      figures: ready for JSON.
      pose, joints: of each task, object frame.
    """

    figures: dict[str, Any]
    pose: list[Float[np.ndarray, "k 7"]]
    joints: list[Float[np.ndarray, "k active"]]


def run_lookup(
    hand: HandModel, tasks: Sequence[Task], config: RefineConfig, path: Path, devices: Sequence[Device]
) -> PathRun:
    """One path of `refine_many`: compiled by a run of one step, then timed, then its parts by themselves.

    Args:
      hand, tasks, config: as for `refine_many`.
      path: "xla" or "kernel".
      devices: all are used.
    """
    config = replace(config, path=path)
    with Compilations() as first:
        refine_many(hand, tasks, config=replace(config, steps=1), devices=devices)
    with Compilations() as warm:
        begin, cpu = time.perf_counter(), time.process_time()
        refined = refine_many(hand, tasks, config=config, devices=devices)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    memory = peak_memory(devices)
    grasps = sum(len(r.hand_pose) for r in refined)
    figures = {
        **_timed(grasps, config, first, warm, seconds, cpu),
        "not_ok": sum(int((~r.ok).sum()) for r in refined),
        **_parts(hand, tasks, config, path, tuple(devices)),
        **memory,
    }
    return PathRun(figures, [r.hand_pose for r in refined], [r.joints for r in refined])


def run_pairwise(
    hand: HandModel, tasks: Sequence[Task], starts_each: int, config: RefineConfig, device: Device
) -> PathRun:
    """The pairwise reference on the first starts of every task, on one device.

    Args:
      hand, tasks, config: as for `refine_many`; tasks have explicit starts.
      starts_each: of every task.
      device: to run on.
    """
    problems = [build_problem(hand, task.obj, task.grasp, config) for task in tasks]
    starts = [_starts(t, p, starts_each) for t, p in zip(tasks, problems, strict=True)]
    pose, joints = (np.stack(x) for x in zip(*starts, strict=True))
    start, _ = compiled(hand, config.optimizer, "xla")
    with jax.default_device(device):
        cloud, schedule = clouds([t.obj for t in tasks], problems), _schedule(config)
        state = start(jnp.asarray(pose), jnp.asarray(joints))
        search = pairwise.quickest(hand, cloud, state, device.platform)
        advance, finish = pairwise.compiled(hand, config.optimizer, search)
        with Compilations() as first:
            jax.block_until_ready(finish(advance(cloud, schedule, state, np.int32(0), np.int32(1))))
        with Compilations() as warm:
            begin, cpu = time.perf_counter(), time.process_time()
            state = jax.block_until_ready(
                advance(cloud, schedule, state, np.int32(0), np.int32(config.steps))
            )
            loop = time.perf_counter() - begin
            end, q = jax.device_get(finish(state))
            seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    grasps = len(tasks) * starts_each
    figures = {
        **_timed(grasps, config, first, warm, seconds, cpu),
        "devices": 1,
        "host_s": 0.0,
        "search": search._asdict(),
        "step_ms": 1e3 * loop / config.steps,
        "step_grasps": grasps,
        "grasp_steps_per_s": grasps * config.steps / loop,
        **peak_memory([device]),
    }
    poses = [to_object(p.field.R_field_obj, x) for p, x in zip(problems, end, strict=True)]
    return PathRun(figures, poses, [np.asarray(x, np.float64) for x in q])


def _timed(
    grasps: int, config: RefineConfig, first: Compilations, warm: Compilations, seconds: float, cpu: float
) -> dict[str, Any]:
    """The figures that every path has of its first, compiling run and of the timed one."""
    return {
        "grasps": grasps,
        "steps": config.steps,
        "compile_s": first.seconds,
        "compilations": first.count,
        "compilations_after_first_run": warm.count,
        "run_s": seconds,
        "run_cpu_s": cpu,
        "grasps_per_s": grasps / seconds,
    }


def _parts(
    hand: HandModel, tasks: Sequence[Task], config: RefineConfig, path: Path, devices: tuple[Device, ...]
) -> dict[str, Any]:
    """Host time of all chunks, and the loop of one of them by itself."""
    begin = time.perf_counter()
    problems = [build_problem(hand, task.obj, task.grasp, config) for task in tasks]
    shape, chunks = chunks_of(problems, [_count(t) for t in tasks], devices)
    stacked: Any = None
    devices = devices[: shape.devices]
    for chunk in reversed(chunks):  # the first stays: it is full
        stacked = None  # room for the next
        stacked = jax.block_until_ready(stack_on([problems[t] for t in chunk.task], shape.slots, devices))
    host = time.perf_counter() - begin
    do = functions(hand, config.optimizer, path, devices)
    starts = [_starts(t, p, _count(t)) for t, p in zip(tasks, problems, strict=True)]
    pose, joints = (np.concatenate(x) for x in zip(*starts, strict=True))
    state = do.start(*(put(x[chunks[0].row], devices) for x in (pose, joints)))
    schedule = Schedule(*put(tuple(np.asarray(x) for x in _schedule(config)), devices))
    steps = min(_LOOP_STEPS, config.steps)

    def once() -> float:
        begin = time.perf_counter()
        jax.block_until_ready(do.advance(*stacked, schedule, state, np.int32(0), np.int32(steps)))
        return time.perf_counter() - begin

    loop = statistics.median(once() for _ in range(3))
    grasps = chunks[0].row.size
    return {
        "devices": shape.devices,
        "chunks": len(chunks),
        "host_s": host,
        "step_ms": 1e3 * loop / steps,
        "step_grasps": grasps,
        "grasp_steps_per_s": grasps * steps / loop,
    }


def chunks_of(
    problems: Sequence[Problem], counts: Sequence[int], devices: Sequence[Device]
) -> tuple[Shape, list[Batch]]:
    """The chunks that `refine_many` makes of tasks with so many starts each."""
    begin = np.concatenate([[0], np.cumsum(counts)])
    rows = [np.arange(a, a + n) for a, n in zip(begin, counts, strict=False)]
    shape = batch_shape(counts, devices, starts_per_slot(max(counts), max(counts)))
    return shape, plan(problems, rows, shape)


def _count(task: Task) -> int:
    return task.num if task.starts is None else len(task.starts[0])


def _starts(task: Task, problem: Problem, count: int) -> tuple[np.ndarray, np.ndarray]:
    assert task.starts is not None  # benchmark tasks have them, so that all paths begin alike
    pose, joints = (x[:count] for x in task.starts)
    return to_field(problem.field.R_field_obj, pose).astype(np.float32), joints.astype(np.float32)


def _schedule(config: RefineConfig) -> Schedule:
    return Schedule(
        jnp.int32(config.steps), jnp.float32(config.learning_rate), jnp.float32(config.decay),
        jnp.int32(config.decay_every),
    )  # fmt: skip
