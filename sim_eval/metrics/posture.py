"""How far a hand is from a natural posture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.posture import Posture

#: From the palm's own direction to that of a stretched finger's pad from its root, degrees.
STRAIGHT_DEG = 45.0


def posture_excess(joints: Float[np.ndarray, "n active"], posture: Posture) -> Float[np.ndarray, " n"]:
    """Degrees by which the limit that is kept worst is not kept: max_c max(0, a q_i + b q_j - m) / |(a, b)|.

    Args:
      joints: radians.
      posture: the hand's limits; without any all are natural.
    """
    excess = posture.excess(joints) / np.linalg.norm(posture.share, axis=1)
    return np.rad2deg(np.maximum(excess, 0.0).max(axis=1, initial=0.0))


def bent(
    hand: HandModel, kinds: Sequence[str], joints: Float[np.ndarray, "n active"]
) -> Bool[np.ndarray, " n"]:
    """Whether a finger that the grasp type stretches is bent: angle(D_finger, pad - root) > 45 degrees.

    An index finger along a knife's back that has curled up is another type.

    Args:
      hand: its types name the fingers (`GraspType.straight`).
      kinds: grasp type of each row; one that the hand does not know stretches none.
      joints: radians; rows that are not finite are not bent.
    """
    found = np.zeros(len(joints), bool)
    stretched = [
        (kind, finger)
        for kind in set(kinds) & set(hand.grasp_types)
        for finger in hand.grasp_types[kind].straight
        if finger in hand.pad_names
    ]
    if not stretched:
        return found
    finite = np.asarray(np.isfinite(joints).all(axis=1))
    q = np.where(finite[:, None], joints, hand.open_joints)
    pads, links = (posed_in_palm(hand, q, what) for what in ("pad", "link"))
    for kind, finger in stretched:
        rows = np.array([k == kind for k in kinds], bool) & finite
        root = hand.link_names.index(hand.finger_links[finger][0])
        way = pads[:, hand.pad_names.index(finger)] - links[:, root]
        angle = np.rad2deg(np.arccos(np.clip(way[:, 0] / np.linalg.norm(way, axis=1), -1.0, 1.0)))
        found |= rows & (angle > STRAIGHT_DEG)
    return found
