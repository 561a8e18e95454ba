"""Before and after a grasp: where the fingers come from and where they would go on to."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.model import HandModel


def opened_and_squeezed(
    hand: HandModel, joints: Float[np.ndarray, "*rows active"]
) -> tuple[Float[np.ndarray, "*rows active"], Float[np.ndarray, "*rows active"]]:
    """Pregrasp and squeeze: pre = q + opening (q_0 - q), squeeze = pre + rule (q - pre), within limits.

    q_0 is the stretched hand (zero, or the nearest limit). With the rule 2 the squeeze is
    2 grasp - pregrasp, as DexGraspBench has it. Both numbers are the hand card's.

    Args:
      hand: limits in radians, `pregrasp_opening` and `squeeze_rule`.
      joints: q, radians.
    Returns: (pregrasp, squeeze), radians.
    """
    pregrasp = joints + hand.pregrasp_opening * (hand.open_joints - joints)
    squeeze = pregrasp + hand.squeeze_rule * (joints - pregrasp)
    return np.clip(pregrasp, hand.lower, hand.upper), np.clip(squeeze, hand.lower, hand.upper)
