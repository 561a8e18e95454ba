"""C MuJoCo: one `MjData` a thread, one grasp after the other.

`mujoco.rollout` gives states and sensors but no contacts, which Sim.Suc asks for at every step: kinematics
and contacts of every state would have to be computed a second time. Threads around `mj_forward` and `mj_step`
do without; the interpreter lock is free while they run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import mujoco
import numpy as np
from jaxtyping import Float

from sim_eval.backends.jobs import (
    MAX_FLIGHT,
    MAX_TRAVEL,
    SKIPPED,
    Drop,
    Hold,
    Rollout,
    empty,
    settle,
)
from sim_eval.scene import OBJECT_BODY, HandScene, Scene, SceneParams, build_scene, hand_scene, scaled
from sim_eval.simobject import SimObject


def drop(job: Drop, threads: int = 1) -> Rollout:
    """See `Drop`.

    Args:
      job: any objects, in any order.
      threads: rows are dealt to so many.

    Returns:
      steps + 1 states a row.
    """
    out = empty(len(job.index), job.steps + 1)
    failure = [""] * len(job.index)
    for number in np.unique(job.index):
        rows = np.flatnonzero(job.index == number)
        scene = _fixed_scene(
            tuple(float(r) for r in job.sphere_radius), job.objects[number], job.mass, job.params
        )
        got = run(scene, job.p_obj_spheres[rows], job.steps, threads)
        _put(out, rows, got)
        for row, why in zip(rows, got.failure, strict=True):
            failure[row] = why
    return Rollout(out.p_world_com, out.q_world_obj, out.contact, out.depth, tuple(failure))


def run(
    scene: Scene, p_world_spheres: Float[np.ndarray, "n spheres 3"], steps: int, threads: int = 1
) -> Rollout:
    """Simulate each grasp of one object, hand fixed, object released at identity.

    Rows never touch each other: each starts from reset data, so that a batch equals the loop over its rows
    bit for bit, whatever the number of threads.

    Args:
      scene: from `build_scene`.
      p_world_spheres: centres of the hand's spheres, metres, the object's frame at release.
      steps: of the scene's timestep.
      threads: MuJoCo releases the interpreter lock while it steps.

    Returns:
      steps + 1 states a row; a row with NaN input or a burst has NaN states and says so.
    """
    out = empty(len(p_world_spheres), steps + 1)

    def new() -> Callable[[int], str]:
        data = mujoco.MjData(scene.model)
        return lambda row: _drop_one(scene.model, data, p_world_spheres[row], out, row)

    return _finish(out, _each_row(new, len(p_world_spheres), threads))


def hold(job: Hold, threads: int = 1) -> tuple[Rollout, ...]:
    """See `Hold`.

    Args:
      job: any objects, in any order.
      threads: rows are dealt to so many.

    Returns:
      A rollout for each force; rows that an earlier force made fail are left out, with a reason.
    """
    n = len(job.index)
    outs = [empty(n, job.checks + 1) for _ in job.forces]
    failures = [[""] * n for _ in job.forces]
    for number in np.unique(job.index):
        rows = np.flatnonzero(job.index == number)
        scene = hand_scene(job.hand, job.objects[number], job.mass, job.params)

        def new(scene: HandScene = scene, rows: np.ndarray = rows) -> Callable[[int], str]:
            model, data = scene.model, mujoco.MjData(scene.model)

            def one(place: int) -> str:
                row = int(rows[place])
                for why, f in zip(_hold_one(job, scene, model, data, row, outs), failures, strict=True):
                    f[row] = why
                return ""

            return one

        _each_row(new, len(rows), threads)
    return tuple(_finish(out, why) for out, why in zip(outs, failures, strict=True))


@lru_cache(maxsize=64)
def _fixed_scene(radius: tuple[float, ...], obj: SimObject, mass: float, params: SceneParams) -> Scene:
    return build_scene(np.array(radius), obj.pieces, scaled(obj.inertial, mass), params)


def _each_row(new: Callable[[], Callable[[int], str]], rows: int, threads: int) -> list[str]:
    """`new` makes the worker of one thread; returns the reasons of failure."""
    # A burst's warning is read from the data; MuJoCo would write it into a log in the working folder too.
    mujoco.set_mju_user_warning(lambda _: None)
    failure = [""] * rows
    threads = max(1, min(threads, rows))

    left = iter(range(rows))  # a thread takes the next row when it is done: some take ten times as long

    def work(_: int) -> None:
        one = new()
        for row in left:
            failure[row] = one(row)

    if threads <= 1:
        work(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    return failure


def _finish(out: Rollout, failure: list[str]) -> Rollout:
    for row, reason in enumerate(failure):
        if reason:
            out.p_world_com[row], out.q_world_obj[row] = np.nan, np.nan
            out.contact[row], out.depth[row] = False, np.nan
    return Rollout(out.p_world_com, out.q_world_obj, out.contact, out.depth, tuple(failure))


def _put(out: Rollout, rows: np.ndarray, got: Rollout) -> None:
    out.p_world_com[rows], out.q_world_obj[rows] = got.p_world_com, got.q_world_obj
    out.contact[rows], out.depth[rows] = got.contact, got.depth


def _drop_one(model: mujoco.MjModel, data: mujoco.MjData, spheres: np.ndarray, out: Rollout, row: int) -> str:
    """Fill one row; returns "" or the reason of failure."""
    if not np.isfinite(spheres).all():
        return "a hand sphere is not at a finite place"
    mujoco.mj_resetData(model, data)
    data.mocap_pos[:] = spheres
    states = out.contact.shape[1]
    for state in range(states):
        if why := _look(model, data, out, row, state, MAX_TRAVEL):
            return why
        if state + 1 < states:
            mujoco.mj_Euler(model, data)
    return ""


def _look(model: mujoco.MjModel, data: mujoco.MjData, out: Rollout, row: int, state: int, most: float) -> str:
    """Write down a state; returns "" or why the row ends here."""
    # kinematics and contacts of this very state; mj_step leaves those of the state before
    mujoco.mj_forward(model, data)
    finite = all(np.isfinite(x).all() for x in (data.qpos, data.qvel, data.qacc))
    if any(w.number for w in data.warning) or not finite:
        return f"the simulation became unstable by state {state}"
    body = model.nbody - 1  # the object
    com = out.p_world_com[row]
    com[state], out.q_world_obj[row, state] = data.xipos[body], data.xquat[body]
    if np.linalg.norm(com[state] - com[0]) > most:
        return f"the object burst away: over {most} m by state {state}"
    out.contact[row, state] = data.ncon > 0  # nothing but hand and object can collide
    out.depth[row, state] = max(0.0, -float(data.contact.dist.min())) if data.ncon else 0.0
    return ""


def _hold_one(
    job: Hold, scene: HandScene, model: mujoco.MjModel, data: mujoco.MjData, row: int, outs: list[Rollout]
) -> list[str]:
    """Fill one row of each force's rollout; returns the reasons of failure."""
    pose, targets = job.hand_pose[row], job.waypoints[row]
    if not (np.isfinite(pose).all() and np.isfinite(targets).all()):
        return ["hand pose or joints are not finite"] * len(outs)
    mujoco.mj_resetData(model, data)
    data.mocap_pos[0], data.mocap_quat[0] = pose[0, :3], pose[0, 3:]
    data.qpos[:] = scene.qpos(job.hand, targets[:1])[0]
    first = empty(1, 1)
    ctrl = scene.targets(targets)
    data.ctrl[:] = ctrl[0]
    if why := _look(model, data, first, 0, 0, MAX_FLIGHT):
        return [why] * len(outs)
    stairs, each = job.ramp
    for (a, at), (b, to) in itertools.pairwise(zip(ctrl, pose, strict=True)):
        for stair in range(1, stairs + 1):
            data.ctrl[:] = a + (b - a) * (stair / stairs)
            base = at + (to - at) * (stair / stairs)
            data.mocap_pos[0], data.mocap_quat[0] = base[:3], base[3:]
            mujoco.mj_step(model, data, each)
    spec = mujoco.mjtState.mjSTATE_INTEGRATION
    closed = np.empty(mujoco.mj_stateSize(model, spec))
    mujoco.mj_getState(model, data, closed, spec)
    reasons: list[str] = []
    failed, one = False, np.array([row])
    for force, out in zip(job.forces, outs, strict=True):
        if failed:
            reasons.append(SKIPPED)
            continue
        mujoco.mj_setState(model, data, closed, spec)
        _put(out, one, _widened(first, job.checks + 1))
        data.xfrc_applied[model.body(OBJECT_BODY).id, :3] = force
        why = ""
        for check in range(job.checks):
            mujoco.mj_step(model, data, job.check_steps)
            if why := _look(model, data, out, row, check + 1, MAX_FLIGHT):
                break
            if failed := bool(out.take(one, slice(check + 2)).beyond(job.max_move, job.max_turn)[0, -1]):
                break
            if job.until_decided and settle(job, out, one, check + 1)[0]:
                break
        failed = failed or bool(why)
        reasons.append(why)
    return reasons


def _widened(first: Rollout, states: int) -> Rollout:
    wide = empty(1, states)
    wide.p_world_com[:, 0], wide.q_world_obj[:, 0] = first.p_world_com[:, 0], first.q_world_obj[:, 0]
    wide.contact[:, 0], wide.depth[:, 0] = first.contact[:, 0], first.depth[:, 0]
    return wide
