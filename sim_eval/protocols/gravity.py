"""GraspTTA's gravity test [36]: let go of the object in a hand that doesn't move.

Source: Jiang et al., "Hand-Object Contact Consistency Reasoning for Human Grasps Generation", ICCV 2021,
whose simulation is that of Hasson et al. 2019: PyBullet, 35 steps of 1/240 s, friction coefficient 3 on hand
and object, object 1 kg, gravity 9.8 m/s². The paper at hand cites it for Sim.Dis and Sim.Suc (IV-A).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float

from sim_eval.backends import c
from sim_eval.convex import ConvexParams, convex_pieces
from sim_eval.scene import Scene, SceneParams, build_scene
from sim_eval.solids import inertial_of
from zdg_jax.hands.kinematics import posed_spheres
from zdg_jax.hands.model import HandModel

STEPS = 35
TIMESTEP = 1.0 / 240.0
GRAVITY = 9.8
FRICTION = 3.0
MASS = 1.0
CONTACT_TOLERANCE = 0.001  # metres: Bullet too reports pairs that nearly touch; below a scan's own accuracy
PARAMS = SceneParams(
    timestep=TIMESTEP,
    gravity=(0.0, -GRAVITY, 0.0),
    friction=(FRICTION, 0.005, 0.0001),
    contact_tolerance=CONTACT_TOLERANCE,
)


@dataclass(frozen=True)
class GravityResult:
    """One row a grasp.

    Attributes:
      displacement_m: way of the object's centre of mass from release to the last state, metres (Sim.Dis).
      contact_end: hand and object touch in the last state.
      contact_every_step: they touch in each state, the one of release included.
      sim_depth_m: deepest overlap of hand spheres and convex pieces at release, metres: how far the simulated
        shapes are from the meshes that P.Dep is measured on.
      status: "ok", "invalid_pose" or "sim_unstable"; the numbers of a row that isn't ok are NaN and False.
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
    """The scene of one hand and one object, and a note on what it had to assume ("" for nothing).

    Args:
      sphere_radius: of the hand, metres.
      mesh: the object, metres, +y up.
      convex: how to cut the object.

    Returns:
      (scene, note).

    Raises:
      ValueError: the object has no convex piece or no inertia.
    """
    cut = convex_pieces(mesh, convex)
    inertial = inertial_of(mesh, cut.pieces, MASS)
    notes = [cut.note] if cut.note else []
    if inertial.source != "mesh":
        notes.append("mass and inertia of the convex pieces' union (mesh bounds no solid)")
    return build_scene(sphere_radius, cut.pieces, inertial, PARAMS), "; ".join(notes)


def run(
    hand: HandModel,
    mesh: trimesh.Trimesh,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    *,
    convex: ConvexParams | None = None,
    threads: int = 1,
) -> GravityResult:
    """GraspTTA's gravity test of N grasps of one object.

    Args:
      hand: gives the sphere chains.
      mesh: the object, metres, +y up.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame.
      joints: active joint angles, radians.
      convex: how to cut the object.
      threads: see `sim_eval.backends.c.run`.

    Returns:
      The result; a bad row gets a status and leaves the others as they are.

    Raises:
      ValueError: the object has no convex piece or no inertia.
    """
    scene, note = gravity_scene(hand.sphere_radius, mesh, convex)
    return drop(scene, posed_spheres(hand, hand_pose, joints), note, threads)


def drop(
    scene: Scene, p_obj_spheres: Float[np.ndarray, "n spheres 3"], note: str = "", threads: int = 1
) -> GravityResult:
    """`run` on spheres that are already posed.

    Args:
      scene: from `gravity_scene`.
      p_obj_spheres: sphere centres in the object frame, metres.
      note: for `status_reason` of ok rows.
      threads: see `sim_eval.backends.c.run`.

    Returns:
      The result.
    """
    rollout = c.run(scene, p_obj_spheres, STEPS, threads)
    finite = np.asarray(np.isfinite(p_obj_spheres).all(axis=(1, 2)))
    status = tuple(
        "ok" if not why else "sim_unstable" if fine else "invalid_pose"
        for why, fine in zip(rollout.failure, finite, strict=True)
    )
    return GravityResult(
        displacement_m=np.linalg.norm(rollout.p_world_com[:, -1] - rollout.p_world_com[:, 0], axis=-1),
        contact_end=rollout.contact[:, -1],
        contact_every_step=np.asarray(rollout.contact.all(axis=1)),
        sim_depth_m=rollout.depth[:, 0],
        status=status,
        status_reason=tuple(why or note for why in rollout.failure),
    )
