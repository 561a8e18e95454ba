"""Rows that no backend should be asked to simulate."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.model import HandModel

#: Radians over a limit that are rounding, not a fault.
SLACK = 1e-3


def row_faults(
    hand: HandModel, hand_pose: Float[np.ndarray, "n waypoints 7"], targets: Float[np.ndarray, "n waypoints active"]
) -> tuple[list[str], list[str]]:
    """(status, reason) a row: "invalid_pose" for what isn't finite, "joint_limits" for a hand that can't be.

    Args:
      hand: gives the limits.
      hand_pose: xyz and wxyz.
      targets: active joint angles, radians; all of a row's are looked at.
    """
    hand_pose, targets = np.asarray(hand_pose), np.asarray(targets)
    fine = np.isfinite(hand_pose).all(axis=(1, 2)) & np.isfinite(targets).all(axis=(1, 2))
    fine &= (np.nan_to_num(np.linalg.norm(hand_pose[..., 3:], axis=-1)) > 1e-6).all(axis=1)
    over = np.maximum(hand.lower - targets, targets - hand.upper).max(axis=1)  # by joint
    status, reason = ["ok"] * len(fine), [""] * len(fine)
    for row in np.flatnonzero(~fine | (over > SLACK).any(axis=1)):
        if not fine[row]:
            status[row] = "invalid_pose"
            reason[row] = "hand pose or joints are not finite, or the quaternion is 0"
            continue
        worst = int(over[row].argmax())
        status[row] = "joint_limits"
        reason[row] = (
            f"joint {hand.active_names[worst]} is {over[row, worst]:.3f} rad outside its limits "
            f"{hand.lower[worst]:.3f} to {hand.upper[worst]:.3f}"
        )
    return status, reason
