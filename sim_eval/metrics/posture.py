"""How far a hand is from a natural posture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.posture import Posture


def posture_excess(joints: Float[np.ndarray, "n active"], posture: Posture) -> Float[np.ndarray, " n"]:
    """Degrees by which the limit that is kept worst is not kept: max_c max(0, a q_i + b q_j - m) / |(a, b)|.

    Args:
      joints: radians.
      posture: the hand's limits; without any all are natural.
    """
    excess = posture.excess(joints) / np.linalg.norm(posture.share, axis=1)
    return np.rad2deg(np.maximum(excess, 0.0).max(axis=1, initial=0.0))
