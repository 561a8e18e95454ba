"""A finger's side, where a thumb presses it."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.keypoints import crooks
from zdg_jax.hands.kinematics import posed_points
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY, unit


class Flank(NamedTuple):
    """Where a thumb presses a finger's side: on the skin beside the crook's middle.

    Attributes:
      link: that it is fixed to.
      point: link frame, metres.
      normal: outwards there, towards the thumb: unit vector, link frame.
    """

    link: int
    point: Float[np.ndarray, "3"]
    normal: Float[np.ndarray, "3"]


@lru_cache(maxsize=64)
def flank(hand: HandModel, finger: str) -> Flank:
    """The flank of a finger on the thumb's side.

    Args:
      hand: with skin and pads.
      finger: one with a pad, not the thumb.
    """
    own, pad = crooks(hand), hand.pad_names.index(finger)
    link = int(own.link[pad])
    posed = partial(posed_points, hand, IDENTITY, hand.open_joints, turn_only=True)
    axes = posed(np.full(3, link), np.eye(3))
    pads = posed_points(hand, IDENTITY, hand.open_joints, hand.pad_link, hand.p_link_pad)
    to_thumb = pads[hand.pad_names.index(hand.finger_names[hand.thumb])] - pads[pad]
    across = hand.R_base_palm[:, 1]
    palmar = axes @ posed(hand.pad_link[pad : pad + 1], hand.n_link_pad[pad : pad + 1])[0]
    normal = axes @ (across * np.sign(across @ to_thumb))
    for other in (unit(palmar), own.along[pad]):
        normal = normal - (normal @ other) * other
    normal = unit(normal)
    skin = hand.p_link_skin[hand.skin_link == link] - own.point[pad]
    near = np.abs(skin @ own.along[pad]) < 0.008
    radius = float((skin[near] @ normal).max(initial=0.0))
    return Flank(link, own.point[pad] + radius * normal, normal)


def posed_flank(
    hand: HandModel, finger: str, joints: Float[np.ndarray, " active"]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """(point, normal) of a finger's flank in the hand's own palm frame, as `kinematics.posed_in_palm`."""
    own = flank(hand, finger)
    link = np.array([own.link])
    p = posed_points(hand, IDENTITY, joints, link, own.point[None])[0] - hand.p_base_palm
    n = posed_points(hand, IDENTITY, joints, link, own.normal[None], turn_only=True)[0]
    return p @ hand.R_base_palm, n @ hand.R_base_palm
