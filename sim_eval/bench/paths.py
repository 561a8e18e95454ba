"""Running, timing and judging one path of refinement; every path gets the same tasks and the same starts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sim_eval.bench import pairwise
from sim_eval.bench.monitor import Compilations, lookup_work, pairwise_work, peak_memory, roofline
from sim_eval.bench.pairwise import (
    SEARCHES_ON_CPU,
    Cloud,
    Measured,
    clouds,
    hand_points,
    measure,
    nearest,
    terms,
)
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import signed_distance
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine import TERMS, RefineConfig, Task, refine_many
from zdg_jax.refine.batching import Batch, Device, Shape, batch_shape, plan, starts_per_slot
from zdg_jax.refine.driver import functions, put, stack_on
from zdg_jax.refine.objective import NORMAL_STEP
from zdg_jax.refine.optimize import Path, Schedule, compiled
from zdg_jax.refine.problem import Problem, build_problem
from zdg_jax.refine.variables import to_field, to_object, to_variables

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
    shape = batch_shape(counts, devices, starts_per_slot(max(counts), max(counts), devices))
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


# Final energies of all paths by one exact measure, and speed against the pairwise reference.
# Judging grasps of any path by one measure: eq. 8 with exact distances.
_STEPS = np.concatenate([np.zeros((1, 3)), NORMAL_STEP * np.eye(3), -NORMAL_STEP * np.eye(3)])


def exact_energy(
    hand: HandModel,
    obj: ObjectModel,
    problem: Problem,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> Float[np.ndarray, "k terms"]:
    """All energies, unweighted, in the order of `TERMS`.

    d_j = min_i |v_j - p_i| over the samples of the regions, phi by `objects.signed_distance` on the mesh,
    normals at the pads by central differences of it, all object samples.

    Args:
      hand: static.
      obj: with its mesh.
      problem: of the task on it, from `build_problem`.
      hand_pose: finite, object frame, metres and unit quaternions wxyz.
      joints: radians.
    """
    measured, energies = _compiled(hand)
    R = problem.field.R_field_obj
    cloud = jax.tree.map(lambda x: x[0], clouds([obj], [problem]))
    grasps = tuple(jnp.asarray(x, jnp.float32) for x in (to_field(R, hand_pose), joints))
    skin, pad, to_hand, to_func = measured(cloud, *grasps)
    k, vertices, pads = len(hand_pose), skin.shape[1], pad.shape[1]
    around = (np.asarray(pad)[:, :, None] + _STEPS).reshape(k, -1, 3)
    points = np.concatenate([np.asarray(skin), around], axis=1).reshape(-1, 3).astype(np.float64)
    phi = signed_distance(obj.mesh, points @ R).reshape(k, -1)
    at_pad = phi[:, vertices:].reshape(k, pads, len(_STEPS))
    normal = at_pad[..., 1:4] - at_pad[..., 4:]
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    known = (jnp.asarray(x, jnp.float32) for x in (phi[:, :vertices], at_pad[..., 0], normal))
    return np.asarray(energies(cloud, *grasps, Measured(to_hand, to_func, *known)), dtype=np.float64)


@lru_cache(maxsize=8)
def _compiled(hand: HandModel):
    def measured(cloud: Cloud, pose: Array, q: Array) -> tuple[Array, Array, Array, Array]:
        skin, _, pad = hand_points(hand, to_variables(pose, q))
        chosen = nearest(cloud, jnp.concatenate([skin, pad]), SEARCHES_ON_CPU[0])
        at = measure(cloud, skin, pad, chosen)
        return skin, pad, at.to_hand, at.to_func

    def energies(cloud: Cloud, pose: Array, q: Array, at: Measured) -> Array:
        v = to_variables(pose, q)
        return terms(hand, cloud, v, hand_points(hand, v), at, None)

    def all_measured(cloud: Cloud, poses: Array, joints: Array) -> tuple[Array, ...]:
        return jax.lax.map(lambda x: measured(cloud, *x), (poses, joints))

    return jax.jit(all_measured), jax.jit(jax.vmap(energies, (None, 0, 0, 0)))


#: How much worse than pairwise's an energy may be.
MARGIN = 0.01


def exact_terms(
    hand: HandModel, tasks: Sequence[Task], run: PathRun, numbers: Sequence[int] | None, each: int
) -> Float[np.ndarray, "n terms"]:
    """`exact_energy` of the first `each` grasps of these tasks; NaN for one that isn't finite.

    Args:
      hand: static.
      tasks: to look at.
      run: holds their grasps.
      numbers: where in `run`; in order if None.
      each: grasps a task.
    """
    found = []
    for place, task in enumerate(tasks):
        at = place if numbers is None else numbers[place]
        pose, joints = run.pose[at][:each], run.joints[at][:each]
        sound = np.asarray(np.isfinite(np.concatenate([pose, joints], axis=1)).all(axis=1))[:, None]
        stand_in = np.array([0.0, 0, 0, 1, 0, 0, 0])
        problem = build_problem(hand, task.obj, task.grasp, RefineConfig())
        terms = exact_energy(
            hand, task.obj, problem, np.where(sound, pose, stand_in),
            np.where(sound, joints, hand.open_joints),
        )  # fmt: skip
        found.append(np.where(sound, terms, np.nan))
    return np.concatenate(found)


def figures_of(
    hand: HandModel, path: str, runs: dict[str, PathRun], terms: dict[str, np.ndarray],
    most: dict[str, float], samples: int, config: RefineConfig,
) -> dict[str, Any]:  # fmt: skip
    """All that the report says of one path.

    Args:
      hand: static.
      path: its name.
      runs, terms: by path; `terms` from `exact_terms`, of the same starts.
      most: from `ceilings`.
      samples: of an object.
      config: gives the weights.
    """
    figures = runs[path].figures
    weights = config.lambdas()
    own = terms[path] @ weights
    work = pairwise_work(hand, samples) if path == "pairwise" else lookup_work(hand)
    row = {
        **figures,
        "energy": {
            "grasps": len(own),
            "mean": float(np.nanmean(own)),
            "median": float(np.nanmedian(own)),
            "terms": dict(zip(TERMS, np.nanmean(terms[path] * weights, axis=0).tolist(), strict=True)),
        },
        "roofline": roofline(work, figures["grasp_steps_per_s"] / figures["devices"], most),
    }
    if "pairwise" in runs:
        other = runs["pairwise"].figures
        row["ratio_to_pairwise"] = figures["grasps_per_s"] / figures["devices"] / other["grasps_per_s"]
        row["step_ratio_to_pairwise"] = (
            figures["grasp_steps_per_s"] / figures["devices"] / other["grasp_steps_per_s"]
        )
        # a CPU's cores are not used alike by all paths
        row["processor_ratio_to_pairwise"] = (
            other["run_cpu_s"] / other["grasps"] / (figures["run_cpu_s"] / figures["grasps"])
        )
        row["energy"] |= compared(own, terms["pairwise"] @ weights)
    return row


def compared(own: Float[np.ndarray, " n"], reference: Float[np.ndarray, " n"]) -> dict[str, Any]:
    """Energies of the same starts against a reference.

    Args:
      own, reference: totals; grasps of which one is NaN are left out.

    Returns:
      `ratio` of the means with `ratio_ci95` (bootstrap over grasps), `not_worse`: the share of grasps at
      most MARGIN above the reference.
    """
    both = np.isfinite(own) & np.isfinite(reference)
    a, b = own[both], reference[both]
    if not len(a):
        return {"ratio": None, "ratio_ci95": None, "not_worse": None}
    draw = np.random.default_rng(0).integers(len(a), size=(2000, len(a)))
    ratios = a[draw].mean(axis=1) / b[draw].mean(axis=1)
    return {
        "ratio": float(a.mean() / b.mean()),
        "ratio_ci95": np.percentile(ratios, [2.5, 97.5]).tolist(),
        "not_worse": float(np.mean(a <= b * (1 + MARGIN))),
    }
