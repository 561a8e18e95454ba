"""Rows that no backend should be asked to simulate, and targets that a servo can't reach."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.model import HandModel
from zdg_jax.hands.transmission import drawn_joints

#: Radians over a limit that are rounding, not a fault.
SLACK = 1e-3


def row_faults(
    hand: HandModel,
    hand_pose: Float[np.ndarray, "n waypoints 7"],
    targets: Float[np.ndarray, "n waypoints active"],
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


def reachable_targets(
    hand: HandModel, targets: Float[np.ndarray, "n active"]
) -> tuple[Float[np.ndarray, "n active"], list[str]]:
    """Servo targets within the limits, and a note on each row where that changed something by over `SLACK`.

    A target may lie beyond a limit, where the hand itself can't: it is how hard to press. What stays of it
    is clip(q); joints of a tendon that have room take what another of the same tendon has none for.

    Args:
      hand: gives limits and tendons.
      targets: active joint angles, radians; a row that is not finite is left as it is.
    """
    targets = np.asarray(targets, np.float64)
    inside = np.clip(targets, hand.lower, hand.upper)
    over = np.nan_to_num(np.abs(targets - inside).max(axis=1))
    drawn = drawn_joints(hand, inside, (targets - inside) @ hand.transmission.T)
    fine = np.asarray(np.isfinite(targets).all(axis=1))
    notes = [f"squeeze clipped by {x:.3f} rad to its limits" if x > SLACK else "" for x in over]
    return np.where(fine[:, None], drawn, targets), notes
