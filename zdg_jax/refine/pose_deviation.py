"""How far a refined grasp has left the reasoned one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp
from zdg_jax.hands.model import HandModel


def pose_deviation(
    hand: HandModel, initial: InitialGrasp, hand_pose: Float[np.ndarray, "k 7"]
) -> Float[np.ndarray, " k"]:
    """max(0, s - 3 cm) / 5 cm + max(0, a - pi/4) / 0.5 rad, s the palm's shift across D_palm, a its turn.

    Along D_palm the hand has to close in; and an answer stands for its whole neighbourhood: rotations are
    asked 90 degrees apart, parts are some centimetres wide. Within that the geometry decides alone.

    Args:
      hand: gives the palm frame.
      initial: G'.
      hand_pose: refined poses, object frame; NaN where not finite.
    """
    finite = np.isfinite(hand_pose).all(axis=1) & (hand_pose[:, 3:] != 0.0).any(axis=1)
    pose = np.where(finite[:, None], hand_pose, [0, 0, 0, 1.0, 0, 0, 0])
    turn = Rotation.from_quat(pose[:, [4, 5, 6, 3]])
    shift = pose[:, :3] + turn.apply(hand.p_base_palm) - initial.p_obj_palm
    d_palm = initial.R_obj_palm[:, 2]
    along = (shift * d_palm).sum(axis=1, keepdims=True)
    across = np.linalg.norm(shift - along * d_palm, axis=1)
    angle = (turn * Rotation.from_matrix(hand.R_base_palm @ initial.R_obj_palm.T)).magnitude()
    deviation = np.maximum(across - 0.03, 0.0) / 0.05 + np.maximum(angle - np.pi / 4, 0.0) / 0.5
    return np.where(finite, deviation, np.nan)
