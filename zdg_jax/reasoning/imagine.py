"""The imagined hand of paper III-C: its skin at a candidate pose."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands import kinematics
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf.build import field_values


def imagined_skin(
    hand: HandModel, p_obj_palm: Float[np.ndarray, "3"], R_obj_palm: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """Skin vertices of the open hand with its palm frame at (T', R_k), metres, object frame."""
    base = kinematics.base_from_palm(hand, p_obj_palm, R_obj_palm)
    return np.asarray(kinematics.posed_skin(hand, base, hand.open_joints), dtype=np.float64)


def thumb_side(
    hand: HandModel,
    skin: Float[np.ndarray, "vertices 3"],
    p_obj_palm: Float[np.ndarray, "3"],
    R_obj_palm: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "3"]:
    """Unit vector across the palm, from its centre towards the side on which the thumb is.

    It is +y or -y of the palm frame, by the sign of the mean thumb vertex along y.

    Args:
      hand: the model.
      skin: from `imagined_skin`, metres.
      p_obj_palm, R_obj_palm: the same pose.
    """
    side = (skin[hand.skin_finger == hand.thumb].mean(axis=0) - p_obj_palm) @ R_obj_palm[:, 1]
    return R_obj_palm[:, 1] * (1.0 if side >= 0 else -1.0)


def overlap_share(points: Float[np.ndarray, "n 3"], field: SignedDistanceField) -> float:
    """Share of points (metres, object frame) inside the object: signed distance below 0."""
    return float((field_values(field, points) < 0).mean())
