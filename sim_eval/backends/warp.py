"""MJX's Warp implementation: MuJoCo's own collision on a GPU, one compiled model an object.

Warp's kernels take a mesh's sizes from the model, so that a batch can't mix objects: one call an object. What
is looked at (contacts with a gap, depth) comes from `sphere_convex`, as for `mjx`; Warp moves the state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from sim_eval.backends.jobs import MAX_FLIGHT, MAX_TRAVEL, SKIPPED, Drop, Hold, Rollout, blanked, empty
from sim_eval.backends.mjx import faults
from sim_eval.backends.mjx_physics import import_mjx, traced
from sim_eval.backends.sphere_convex import touches
from sim_eval.scene import build_scene, hand_scene, scaled
from sim_eval.simobject import SimObject
from sim_eval.solids import Slots

#: Constraint rows that one grasp can have.
_ROWS = 1024


def drop(job: Drop) -> Rollout:
    """See `Drop`; objects one after the other.

    Args:
      job: any objects, cut for the template of `mjx`.

    Returns:
      steps + 1 states a row.
    """
    out = empty(len(job.index), job.steps + 1)
    spheres = np.asarray(job.p_obj_spheres, np.float32)
    fine = np.asarray(np.isfinite(spheres).all(axis=(1, 2)))
    reason = np.array(["" if ok else "a hand sphere is not at a finite place" for ok in fine], dtype=object)
    radius = jnp.asarray(job.sphere_radius, jnp.float32)
    for number in np.unique(job.index[fine]):
        obj, rows = job.objects[number], np.flatnonzero(fine & (job.index == number))
        scene = build_scene(job.sphere_radius, obj.pieces, scaled(obj.inertial, job.mass), job.params)
        world = _World(scene.model, len(rows))
        data = world.start(lambda d, s: d.replace(mocap_pos=s), jnp.asarray(spheres[rows]))
        for state in range(job.steps + 1):
            if state:
                data = world.step(data, 1)
            seen = world.forward(data) if state else data  # a step leaves poses as they were before it
            _see(
                out, rows, state, seen, obj, jnp.asarray(spheres[rows]), radius, job.params.contact_tolerance
            )
    reason[fine] = faults(out, MAX_TRAVEL)[fine]
    return blanked(out, reason)


def hold(job: Hold) -> tuple[Rollout, ...]:
    """See `Hold`; objects one after the other.

    Args:
      job: any objects, cut for the template of `mjx`.

    Returns:
      A rollout for each force; rows that an earlier force made fail are left out, with a reason.
    """
    n = len(job.index)
    fine = np.asarray(
        np.isfinite(job.hand_pose).all(axis=(1, 2)) & np.isfinite(job.waypoints).all(axis=(1, 2))
    )
    bad = np.array(["" if ok else "hand pose or joints are not finite" for ok in fine], dtype=object)
    outs, reasons = [empty(n, job.checks + 1) for _ in job.forces], [bad.copy() for _ in job.forces]
    for number in np.unique(job.index[fine]):
        rows = np.flatnonzero(fine & (job.index == number))
        _hold_object(job, job.objects[number], rows, outs, reasons)
    return tuple(blanked(out, reason) for out, reason in zip(outs, reasons, strict=True))


def _hold_object(
    job: Hold, obj: SimObject, rows: np.ndarray, outs: list[Rollout], reasons: list[np.ndarray]
) -> None:
    """One object's rows in one model."""
    scene = hand_scene(job.hand, obj, job.mass, job.params)
    model = scene.model
    geoms = np.flatnonzero(model.geom_contype == 1)
    radius = jnp.asarray(model.geom_size[geoms, 0], jnp.float32)
    world = _World(model, len(rows))
    ctrl = scene.targets(job.waypoints[rows]).astype(np.float32)
    qpos = scene.qpos(job.hand, job.waypoints[rows, 0])
    pose = job.hand_pose[rows].astype(np.float32)

    def begin(d: Any, row: Any) -> Any:
        return d.replace(qpos=row[0], ctrl=row[1], mocap_pos=row[2][None, :3], mocap_quat=row[2][None, 3:])

    data = world.start(
        begin, (jnp.asarray(qpos, jnp.float32), jnp.asarray(ctrl[:, 0]), jnp.asarray(pose[:, 0]))
    )

    def see(out: Rollout, state: int, data: Any) -> None:
        _see(out, rows, state, data, obj, data.geom_xpos[:, geoms], radius, job.params.contact_tolerance)

    data = world.forward(data)
    see(outs[0], 0, data)
    stairs, each = job.ramp
    for a, b in zip(range(ctrl.shape[1]), range(1, ctrl.shape[1]), strict=False):
        for stair in range(1, stairs + 1):
            target, base = (
                jnp.asarray(x[:, a] + (x[:, b] - x[:, a]) * (stair / stairs)) for x in (ctrl, pose)
            )
            data = data.replace(ctrl=target, mocap_pos=base[:, None, :3], mocap_quat=base[:, None, 3:])
            data = world.step(data, each)
    alive = np.ones(len(rows), bool)
    for force, out, reason in zip(job.forces, outs, reasons, strict=True):
        for target, source in zip(_parts(out), _parts(outs[0]), strict=True):
            target[rows, 0] = source[rows, 0]
        reason[rows[~alive]] = SKIPPED
        pushed = np.zeros((len(rows), model.nbody, 6), np.float32)
        pushed[:, -1, :3] = force
        now = data.replace(xfrc_applied=jnp.asarray(pushed))
        running = alive.copy()
        for check in range(job.checks):
            now = world.step(now, job.check_steps)
            kept = [x[rows[~running], check + 1].copy() for x in _parts(out)]
            see(out, check + 1, world.forward(now))
            for target, old in zip(_parts(out), kept, strict=True):
                target[rows[~running], check + 1] = old
            com, quat, touch, depth = (x[rows][:, [0, check + 1]] for x in _parts(out))
            part = Rollout(com, quat, touch, depth, ("",) * len(rows))
            wrong = np.where(running, faults(part, MAX_FLIGHT, check + 1), "")
            reason[rows[wrong != ""]] = wrong[wrong != ""]
            running &= (wrong == "") & ~part.beyond(job.max_move, job.max_turn)[:, 1]
        alive = running


class _World:
    """One model, its rows side by side."""

    def __init__(self, model: mujoco.MjModel, rows: int) -> None:
        mjx = import_mjx()
        model = _without_autoreset(model)
        self.model = mjx.put_model(model, impl="warp")
        # room for every pair: its broad phase counts pairs that come near, and drops what finds no room
        pairs = int((model.geom_contype == 1).sum()) * int((model.geom_conaffinity == 1).sum())
        self.blank = mjx.make_data(model, impl="warp", naconmax=pairs * rows, njmax=_ROWS)
        step = jax.vmap(lambda d: mjx.step(self.model, d))
        self._steps = jax.jit(
            traced(lambda d, count: jax.lax.fori_loop(0, count, lambda _, x: step(x), d)), static_argnums=()
        )
        self._forward = jax.jit(traced(jax.vmap(lambda d: mjx.forward(self.model, d))))

    def start(self, change: Callable[[Any, Any], Any], rows: Any) -> Any:
        """The rows' data at rest."""
        return self._forward(jax.vmap(lambda row: change(self.blank, row))(rows))

    def forward(self, data: Any) -> Any:
        return self._forward(data)

    def step(self, data: Any, count: int) -> Any:
        return self._steps(data, jnp.int32(count))


def _without_autoreset(model: mujoco.MjModel) -> mujoco.MjModel:
    import copy

    model = copy.copy(model)  # Warp knows no such flag, and resets nothing
    model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    return model


def _see(
    out: Rollout, rows: np.ndarray, state: int, data: Any, obj: SimObject,
    spheres: Float[Array, "n spheres 3"], radius: Float[Array, " spheres"], tolerance: float,
) -> None:  # fmt: skip
    slots = Slots(*(jnp.asarray(x, jnp.float32) for x in obj.slots))
    nearest = np.asarray(_nearest(data.xpos[:, -1], data.xmat[:, -1], spheres, radius, slots))
    out.p_world_com[rows, state], out.q_world_obj[rows, state] = data.xpos[:, -1], data.xquat[:, -1]
    out.contact[rows, state], out.depth[rows, state] = nearest <= tolerance, np.maximum(-nearest, 0.0)


@jax.jit
def _nearest(at: Array, R: Array, spheres: Array, radius: Array, slots: Slots) -> Array:
    def one(at: Array, R: Array, spheres: Array) -> Array:
        local = jnp.matmul(spheres - at[None], R.reshape(3, 3), precision=jax.lax.Precision.HIGHEST)
        return jnp.min(touches(local, radius, slots, min(32, 4 * len(radius))).dist)

    return jax.vmap(one)(at, R, spheres)


def _parts(out: Rollout) -> tuple[np.ndarray, ...]:
    return out.p_world_com, out.q_world_obj, out.contact, out.depth
