"""Where a hand is on its way: pregrasp, grasp, squeeze, lift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pipelines.formats import GraspFile
from pipelines.trajectory import base_path

#: Value of the slider at which each stage is reached.
STAGES = {"pregrasp": 0.0, "grasp": 1.0, "squeeze": 2.0, "lift": 3.0}
#: How far the object and the hand go up, metres.
LIFT = 0.10


@dataclass(frozen=True)
class At:
    """A hand and an object at one time.

    Attributes:
      pose: xyz (metres) and wxyz of the hand's link 0 in the object frame.
      joints: active, radians; on the way to the squeeze the servos' targets, which the object resists.
      lift: metres that hand and object have gone up by.
      said: in words.
    """

    pose: Float[np.ndarray, " 7"]
    joints: Float[np.ndarray, " active"]
    lift: float
    said: str


def at_stage(grasps: GraspFile, row: int, time: float) -> At:
    """One grasp at a time of `STAGES`, straight between stages; a stage that the file lacks is the grasp.

    p(t) = p_0 + t (p_1 - p_0), the turn by spherical interpolation, q(t) = q_0 + t (q_1 - q_0).

    Args:
      grasps, row: which grasp.
      time: 0 pregrasp, 1 grasp, 2 squeeze, 3 lifted.
    """
    pose, joints = grasps.hand_pose[row], grasps.joints[row]
    before, squeeze = (
        q if np.isfinite(q).all() else joints for q in (grasps.pregrasp[row], grasps.squeeze[row])
    )
    away = pose if grasps.pregrasp_pose is None else grasps.pregrasp_pose[row]
    away = away if np.isfinite(away).all() else pose
    if time < 1.0:
        steps = 64
        way = base_path(away[None], pose[None], steps)[0]
        return At(
            way[round(steps * time)], before + time * (joints - before), 0.0, "coming" if time else "pregrasp"
        )
    press = min(time - 1.0, 1.0)
    up = LIFT * max(0.0, time - 2.0)
    said = "lifted, servos at the squeeze's targets" if up else "squeeze: servo targets" if press else "grasp"
    return At(pose, joints + press * (squeeze - joints), up, said)
