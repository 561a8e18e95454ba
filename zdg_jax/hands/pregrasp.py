"""Before and after a grasp: where the fingers come from and where they would go on to."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.model import HandModel

#: Share of the way to the stretched hand where neither card nor file says how the hand opens.
OPENING = 0.2


def pregrasp_and_squeeze(
    hand: HandModel, joints: Float[np.ndarray, "*rows active"]
) -> tuple[Float[np.ndarray, "*rows active"], Float[np.ndarray, "*rows active"]]:
    """Pregrasp and squeeze: pre = q + opening (q_0 - q), squeeze = pre + rule (q - pre), within limits.

    For files that do not say how the hand closes, and for what a squeeze should press with. q_0 is the
    stretched hand (zero, or the nearest limit). With the rule 2 the squeeze is 2 grasp - pregrasp, as
    DexGraspBench has it. The rule is the hand card's, the opening its own or `OPENING`.

    Args:
      hand: limits in radians, `pregrasp_opening` and `squeeze_rule`.
      joints: q, radians.
    Returns: (pregrasp, squeeze), radians.
    """
    opening = OPENING if hand.pregrasp_opening is None else hand.pregrasp_opening
    pregrasp = joints + opening * (hand.open_joints - joints)
    squeeze = pregrasp + hand.squeeze_rule * (joints - pregrasp)
    return np.clip(pregrasp, hand.lower, hand.upper), np.clip(squeeze, hand.lower, hand.upper)
