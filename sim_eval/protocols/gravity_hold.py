"""Ours: squeeze the object, then let it hang in the closed hand for two seconds.

GraspTTA's test lasts 0.15 s in a hand that can't give way; this one lasts 2 s in a hand that can. Hand,
object, friction, closing and thresholds are those of `six_force`; instead of six pushes there is the object's
weight, 9.8 m/s² along -y, and the hand has to touch the object at the end.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from sim_eval.backends import Backend
from sim_eval.backends.jobs import Hold
from sim_eval.protocols import six_force
from sim_eval.protocols.hold import HoldResult, hold_protocol, poses_of, run_hold, waypoints_of
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel

GRAVITY = 9.8
SECONDS = 2.0
CHECK_STEPS = 50
CHECKS = round(SECONDS / six_force.TIMESTEP / CHECK_STEPS)
FORCES = six_force.MASS * GRAVITY * np.array([[0.0, -1.0, 0.0]])


def run(
    hand: HandModel,
    objects: tuple[SimObject, ...],
    index: Int[np.ndarray, " n"],
    hand_pose: Float[np.ndarray, "n 7"],
    pregrasp: Float[np.ndarray, "n active"],
    joints: Float[np.ndarray, "n active"],
    squeeze: Float[np.ndarray, "n active"],
    simulator: Backend,
    pregrasp_pose: Float[np.ndarray, "n 7"] | None = None,
) -> HoldResult:
    """Two seconds of gravity in an actuated hand, for N grasps of any objects.

    Args:
      hand, objects, index, hand_pose, pregrasp, joints, squeeze, simulator, pregrasp_pose: see
        `six_force.run`.

    Returns:
      The result; success = within 5 cm and 15 degrees throughout, touching at the end, and at most 1 cm of
      overlap at the pregrasp.
    """
    job = Hold(
        hand, objects, index, poses_of(pregrasp_pose, hand_pose), waypoints_of(pregrasp, joints, squeeze),
        six_force.MASS, six_force.PARAMS, six_force.RAMP, FORCES, CHECKS, CHECK_STEPS, six_force.MAX_MOVE,
        float(six_force.MAX_TURN),
    )  # fmt: skip
    return run_hold(job, simulator, six_force.MAX_START_DEPTH, touch_end=True)


PROTOCOL = hold_protocol("gravity_hold", run)
