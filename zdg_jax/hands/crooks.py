"""Where a finger is when it goes through something: the middle of its crook, and its direction there."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from zdg_jax.hands.kinematics import posed_points
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import unit


class Crooks(NamedTuple):
    """One for every pad, in the order of `HandModel.pad_names`.

    Attributes:
      link: that it is fixed to: the last but one of a finger, the last of the thumb.
      point: between that link's origin and the next link's (the thumb's pad), link frame, metres.
      along: unit vector towards the tip, link frame.
    """

    link: Int[np.ndarray, " pads"]
    point: Float[np.ndarray, "pads 3"]
    along: Float[np.ndarray, "pads 3"]


@lru_cache(maxsize=16)
def crooks(hand: HandModel) -> Crooks:
    """The crook of every finger with a pad.

    Args:
      hand: with `finger_links`.
    """
    links, ways = [], []
    for k, name in enumerate(hand.pad_names):
        last = hand.link_names.index(hand.finger_links[name][-1])
        if name == hand.finger_names[hand.thumb] or len(hand.finger_links[name]) < 2:
            links.append(int(hand.pad_link[k]))
            ways.append(to_pad(hand, k))
        else:
            links.append(int(hand.link_parent[last]))
            ways.append(hand.p_parent_link[last])
    way = np.array(ways)
    return Crooks(np.array(links), 0.5 * way, unit(way))


def to_pad(hand: HandModel, pad: int) -> Float[np.ndarray, "3"]:
    """From the origin of a pad's link to the pad's height, p - (p . n) n, link frame, metres."""
    p, n = hand.p_link_pad[pad], hand.n_link_pad[pad]
    return p - (p @ n) * n


def posed_crooks(
    hand: HandModel, hand_pose: Float[np.ndarray, "*n 7"], joints: Float[np.ndarray, "*n active"]
) -> tuple[Float[np.ndarray, "*n pads 3"], Float[np.ndarray, "*n pads 3"]]:
    """(points, directions) of all crooks in the object frame.

    Args:
      hand: the hand.
      hand_pose, joints: xyz wxyz, radians.
    """
    own = crooks(hand)
    points = posed_points(hand, hand_pose, joints, own.link, own.point)
    return points, posed_points(hand, hand_pose, joints, own.link, own.along, turn_only=True)
