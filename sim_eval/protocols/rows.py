"""Rows that no backend should be asked to simulate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.model import HandModel

#: Radians over a limit that are rounding, not a fault.
SLACK = 1e-3


def row_faults(
    hand: HandModel, hand_pose: Float[np.ndarray, "n 7"], targets: Float[np.ndarray, "n waypoints active"]
) -> tuple[list[str], list[str]]:
    """(status, reason) a row: "invalid_pose" for what isn't finite, "joint_limits" for a hand that can't be.

    Args:
      hand: gives the limits.
      hand_pose: xyz and wxyz.
      targets: active joint angles, radians; all of a row's are looked at.
    """
    status, reason = [], []
    for pose, joints in zip(np.asarray(hand_pose), np.asarray(targets), strict=True):
        over = np.maximum(hand.lower - joints, joints - hand.upper).max(axis=0)
        if not (np.isfinite(pose).all() and np.isfinite(joints).all()) or np.linalg.norm(pose[3:]) < 1e-6:
            status.append("invalid_pose")
            reason.append("hand pose or joints are not finite, or the quaternion is 0")
        elif over.max() > SLACK:
            worst = int(over.argmax())
            status.append("joint_limits")
            reason.append(
                f"joint {hand.active_names[worst]} is {over[worst]:.3f} rad outside its limits "
                f"{hand.lower[worst]:.3f} to {hand.upper[worst]:.3f}"
            )
        else:
            status.append("ok")
            reason.append("")
    return status, reason
