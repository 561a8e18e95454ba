"""C MuJoCo: one model, one `MjData` a thread, one grasp after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
from jaxtyping import Float

from sim_eval.backends.rollout import Rollout
from sim_eval.scene import OBJECT_BODY, Scene

MAX_TRAVEL = 1.0  # metres: more than this in one test is a burst, not a fall


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
    # A burst's warning is read from the data; MuJoCo would write it into a log in the working folder too.
    mujoco.set_mju_user_warning(lambda _: None)
    rows = len(p_world_spheres)
    com = np.full((rows, steps + 1, 3), np.nan)
    quat = np.full((rows, steps + 1, 4), np.nan)
    contact = np.zeros((rows, steps + 1), bool)
    depth = np.full((rows, steps + 1), np.nan)
    failure = [""] * rows

    def work(first: int) -> None:
        data = mujoco.MjData(scene.model)
        for row in range(first, rows, max(threads, 1)):
            failure[row] = _one(
                scene, data, p_world_spheres[row], com[row], quat[row], contact[row], depth[row]
            )

    if threads <= 1:
        work(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    for row, reason in enumerate(failure):
        if reason:
            com[row], quat[row], contact[row], depth[row] = np.nan, np.nan, False, np.nan
    return Rollout(com, quat, contact, depth, tuple(failure))


def _one(scene: Scene, data: mujoco.MjData, spheres, com, quat, contact, depth) -> str:
    """Fill one row; returns "" or the reason of failure."""
    if not np.isfinite(spheres).all():
        return "a hand sphere is not at a finite place"
    model = scene.model
    body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, OBJECT_BODY)
    mujoco.mj_resetData(model, data)
    data.mocap_pos[:] = spheres
    for state in range(len(com)):
        # kinematics and contacts of this very state; mj_step leaves those of the state before
        mujoco.mj_forward(model, data)
        finite = all(np.isfinite(x).all() for x in (data.qpos, data.qvel, data.qacc))
        if any(w.number for w in data.warning) or not finite:
            return f"the simulation became unstable at step {state}"
        com[state], quat[state] = data.xipos[body], data.qpos[3:7]
        if np.linalg.norm(com[state] - com[0]) > MAX_TRAVEL:
            return f"the object burst away: over {MAX_TRAVEL} m by step {state}"
        contact[state] = data.ncon > 0  # nothing but hand and object can collide
        depth[state] = max(0.0, -float(data.contact.dist.min())) if data.ncon else 0.0
        if state + 1 < len(com):
            mujoco.mj_Euler(model, data)
    return ""
