"""Hand poses between the object's frame and that of its distance field, where refinement works."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.pose import compose, make_pose


def to_field(
    R_field_obj: Float[np.ndarray, "3 3"], hand_pose: Float[np.ndarray, "*k 7"]
) -> Float[np.ndarray, "*k 7"]:
    """T_field_hand = T_field_obj T_obj_hand; a row that is not finite stays so, alone.

    Args:
      R_field_obj: from `SignedDistanceField`; both frames have one origin.
      hand_pose: xyz (metres) wxyz, object frame.
    """
    return compose(make_pose(np.zeros(3), R_field_obj), hand_pose)


def to_object(
    R_field_obj: Float[np.ndarray, "3 3"], hand_pose: Float[np.ndarray, "*k 7"]
) -> Float[np.ndarray, "*k 7"]:
    """The inverse of `to_field`, with w >= 0.

    Args:
      R_field_obj: from `SignedDistanceField`.
      hand_pose: xyz (metres) wxyz, field frame.
    """
    pose = compose(make_pose(np.zeros(3), R_field_obj.T), hand_pose)
    pose[..., 3:] *= np.where(pose[..., 3:4] < 0.0, -1.0, 1.0)
    return pose
