"""GraspTTA's gravity test [36]: let go of the object in a hand that doesn't move.

Source: Jiang et al., "Hand-Object Contact Consistency Reasoning for Human Grasps Generation", ICCV 2021,
whose simulation is that of Hasson et al. 2019: PyBullet, 35 steps of 1/240 s, friction coefficient 3 on hand
and object (which Bullet multiplies), object 1 kg, gravity 9.8 m/s². The paper at hand cites it for
Sim.Dis and Sim.Suc (IV-A).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int

from sim_eval.backends import Backend, c
from sim_eval.backends.jobs import Drop, Rollout, empty
from sim_eval.protocols import Protocol
from sim_eval.protocols.hold import row_faults
from sim_eval.scene import Scene, SceneParams, build_scene, scaled
from sim_eval.simobject import ConvexParams, SimObject, sim_object
from zdg_jax.grasps import Grasps
from zdg_jax.hands.kinematics import posed_spheres
from zdg_jax.hands.model import HandModel

STEPS = 35
TIMESTEP = 1.0 / 240.0
GRAVITY = 9.8
FRICTION = 3.0 * 3.0  # 3 on each; Bullet multiplies the two, MuJoCo takes the larger
MASS = 1.0
CONTACT_TOLERANCE = 0.001  # metres: Bullet too reports pairs that nearly touch; below a scan's own accuracy
PARAMS = SceneParams(
    timestep=TIMESTEP,
    gravity=(0.0, -GRAVITY, 0.0),
    friction=(FRICTION, 0.005, 0.0001),
    contact_tolerance=CONTACT_TOLERANCE,
)
SUCCESS_DEPTH_CM = 1.0  # paper IV-A: "continuous contact with penetration depth below 1cm"


@dataclass(frozen=True)
class GravityResult:
    """One row a grasp.

    Attributes:
      displacement_m: way of the object's centre of mass from release to the last state, metres (Sim.Dis).
      contact_end: hand and object touch in the last state.
      contact_every_step: they touch in each state, the one of release included.
      sim_depth_m: deepest overlap of hand spheres and convex pieces at release, metres: how far the simulated
        shapes are from the meshes that P.Dep is measured on.
      status: "ok", "invalid_pose", "joint_limits" or "sim_unstable"; the numbers of a row that isn't ok are
        NaN and False.
      status_reason: one line; for ok rows "" or what the simulation had to assume.
    """

    displacement_m: Float[np.ndarray, " n"]
    contact_end: Bool[np.ndarray, " n"]
    contact_every_step: Bool[np.ndarray, " n"]
    sim_depth_m: Float[np.ndarray, " n"]
    status: tuple[str, ...]
    status_reason: tuple[str, ...]


def gravity_scene(
    sphere_radius: Float[np.ndarray, " spheres"], mesh: trimesh.Trimesh, convex: ConvexParams | None = None
) -> tuple[Scene, str]:
    """C MuJoCo's scene of one hand and one object, and a note on what it had to assume ("" for nothing).

    Args:
      sphere_radius: of the hand, metres.
      mesh: the object, metres, +y up.
      convex: how to cut the object.

    Raises:
      ValueError: the object has no convex piece or no inertia.
    """
    obj = sim_object(mesh, convex)
    return build_scene(sphere_radius, obj.pieces, scaled(obj.inertial, MASS), PARAMS), obj.note


def run(
    hand: HandModel,
    objects: tuple[SimObject, ...],
    index: Int[np.ndarray, " n"],
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    simulator: Backend,
) -> GravityResult:
    """GraspTTA's gravity test of N grasps of any objects.

    Args:
      hand: gives the sphere chains.
      objects: cut as the backend wants them.
      index: which object each grasp is of.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame.
      joints: active joint angles, radians.
      simulator: see `sim_eval.backends`.

    Returns:
      The result; a bad row gets a status and leaves the others as they are.
    """
    status, reason = row_faults(hand, np.asarray(hand_pose)[:, None], np.asarray(joints)[:, None])
    good = np.flatnonzero(np.array([s == "ok" for s in status], bool))
    states = STEPS + 1
    whole = empty(len(status), states)
    if len(good):
        spheres = posed_spheres(hand, np.asarray(hand_pose)[good], np.asarray(joints)[good])
        job = Drop(objects, np.asarray(index)[good], hand.sphere_radius, spheres, MASS, PARAMS, STEPS)
        got = simulator.drop(job)
        whole.p_world_com[good], whole.q_world_obj[good] = got.p_world_com, got.q_world_obj
        whole.contact[good], whole.depth[good] = got.contact, got.depth
        for row, why in zip(good, got.failure, strict=True):
            status[row] = "sim_unstable" if why else "ok"
            reason[row] = why or objects[index[row]].note
    return judged(whole, status, reason)


def drop(
    scene: Scene, p_obj_spheres: Float[np.ndarray, "n spheres 3"], note: str = "", threads: int = 1
) -> GravityResult:
    """The test in C MuJoCo, on a compiled scene and spheres that are already posed.

    Args:
      scene: from `gravity_scene`.
      p_obj_spheres: sphere centres in the object frame, metres.
      note: for `status_reason` of ok rows.
      threads: see `sim_eval.backends.c.run`.
    """
    rollout = c.run(scene, p_obj_spheres, STEPS, threads)
    finite = np.asarray(np.isfinite(p_obj_spheres).all(axis=(1, 2)))
    status = [
        "ok" if not why else "sim_unstable" if fine else "invalid_pose"
        for why, fine in zip(rollout.failure, finite, strict=True)
    ]
    return judged(rollout, status, [why or note for why in rollout.failure])


def judged(rollout: Rollout, status: Sequence[str], reason: Sequence[str]) -> GravityResult:
    """Sim.Dis and contact of each row of a rollout of `STEPS` steps."""
    return GravityResult(
        displacement_m=rollout.move()[:, -1],
        contact_end=rollout.contact[:, -1],
        contact_every_step=np.asarray(rollout.contact.all(axis=1)),
        sim_depth_m=rollout.depth[:, 0],
        status=tuple(status),
        status_reason=tuple(reason),
    )


def columns(
    hand: HandModel, objects: tuple[SimObject, ...], grasps: Grasps, simulator: Backend
) -> dict[str, np.ndarray]:
    """`run` as columns; sim_suc = touching in every state and P.Dep <= 1 cm (paper IV-A)."""
    found = run(hand, objects, grasps.object_index, grasps.hand_pose, grasps.joints, simulator)
    return {
        "sim_dis_cm": 100.0 * found.displacement_m,
        "sim_suc": found.contact_every_step & (grasps["p_dep_cm"] <= SUCCESS_DEPTH_CM),
        "contact_end": found.contact_end,
        "contact_every_step": found.contact_every_step,
        "sim_depth_cm": 100.0 * found.sim_depth_m,
        "status": np.array(found.status, np.str_),
        "status_reason": np.array(found.status_reason, object),
    }


PROTOCOL = Protocol(("sim_dis_cm", "sim_suc", "contact_end", "contact_every_step", "sim_depth_cm"), columns)
