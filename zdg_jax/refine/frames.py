"""Hand poses between the object's frame and that of its distance field, where refinement works."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation


def to_field(
    R_field_obj: Float[np.ndarray, "3 3"], hand_pose: Float[np.ndarray, "*k 7"]
) -> Float[np.ndarray, "*k 7"]:
    """p_field = R_field_obj p_obj and q_field = q(R_field_obj) q_obj; other numbers than finite stay so.

    Args:
      R_field_obj: from `SignedDistanceField`.
      hand_pose: xyz (metres) wxyz, object frame.
    """
    return _turned(R_field_obj, hand_pose)


def to_object(
    R_field_obj: Float[np.ndarray, "3 3"], hand_pose: Float[np.ndarray, "*k 7"]
) -> Float[np.ndarray, "*k 7"]:
    """The inverse of `to_field`, with w >= 0.

    Args:
      R_field_obj: from `SignedDistanceField`.
      hand_pose: xyz (metres) wxyz, field frame.
    """
    pose = _turned(R_field_obj.T, hand_pose)
    pose[..., 3:] *= np.where(pose[..., 3:4] < 0.0, -1.0, 1.0)
    return pose


def _turned(R: np.ndarray, hand_pose: np.ndarray) -> np.ndarray:
    x, y, z, w = Rotation.from_matrix(R).as_quat()
    turn = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])  # q -> turn * q
    pose = np.asarray(hand_pose, dtype=np.float64)
    # no matrix product: its last bits depend on how many rows there are
    return np.concatenate([_times(R, pose[..., :3]), _times(turn, pose[..., 3:])], axis=-1)


def _times(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (matrix * rows[..., None, :]).sum(axis=-1)
