"""How far a refined grasp has left the reasoned one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.hands.model import HandModel


def pose_deviation(
    hand: HandModel,
    p_obj_palm: Float[np.ndarray, "k 3"],
    R_obj_palm: Float[np.ndarray, "k 3 3"],
    hand_pose: Float[np.ndarray, "k 7"],
) -> Float[np.ndarray, " k"]:
    """max(0, s - 3 cm) / 5 cm + max(0, a - pi/4) / 0.5 rad, s the palm's shift across D_palm, a its turn.

    Along D_palm the hand has to close in; and an answer stands for its whole neighbourhood: rotations are
    asked 90 degrees apart, parts are some centimetres wide. Within that the geometry decides alone.

    Args:
      hand: gives the palm frame.
      p_obj_palm, R_obj_palm: of G', metres; NaN where there is none.
      hand_pose: refined poses, object frame.

    Returns:
      NaN where there is no G' or no finite pose.
    """
    known = np.isfinite(R_obj_palm).all(axis=(1, 2)) & np.isfinite(p_obj_palm).all(axis=1)
    finite = known & np.isfinite(hand_pose).all(axis=1) & (hand_pose[:, 3:] != 0.0).any(axis=1)
    deviation = np.full(len(hand_pose), np.nan)
    pose, p, R = hand_pose[finite], p_obj_palm[finite], R_obj_palm[finite]
    if not len(pose):
        return deviation
    turn = Rotation.from_quat(pose[:, 3:], scalar_first=True)
    shift = pose[:, :3] + turn.apply(hand.p_base_palm) - p
    d_palm = R[:, :, 2]
    along = (shift * d_palm).sum(axis=1, keepdims=True)
    across = np.linalg.norm(shift - along * d_palm, axis=1)
    angle = (turn * Rotation.from_matrix(hand.R_base_palm @ R.transpose(0, 2, 1))).magnitude()
    beyond = np.maximum(across - 0.03, 0.0) / 0.05 + np.maximum(angle - np.pi / 4, 0.0) / 0.5
    deviation[finite] = beyond
    return deviation
