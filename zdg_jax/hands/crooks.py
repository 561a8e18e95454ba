"""Where a finger is when it goes through something: the middle of its crook, and its direction there."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from zdg_jax.hands.kinematics import posed, posed_points
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY


class Crooks(NamedTuple):
    """One for every pad, in the order of `HandModel.pad_names`.

    Attributes:
      link: that it is fixed to: the last but one of a finger, the last of the thumb.
      point: between that link's joint and the next (the thumb's pad), link frame, metres.
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
    with jax.ensure_compile_time_eval():  # the first caller may be tracing
        return _crooks(hand)


def _crooks(hand: HandModel) -> Crooks:
    numbers, points, along = [], [], []
    origins = posed(hand, IDENTITY, hand.open_joints, "link")
    pads = posed(hand, IDENTITY, hand.open_joints, "pad")
    normals = posed(hand, IDENTITY, hand.open_joints, "pad_normal")
    for k, name in enumerate(hand.pad_names):
        links = [hand.link_names.index(link) for link in hand.finger_links[name]]
        is_thumb = name == hand.finger_names[hand.thumb] or len(links) < 2
        own = links[-1] if is_thumb else links[-2]
        start, end = origins[own], pads[k] if is_thumb else origins[links[-1]]
        way = end - start
        if is_thumb:
            way = way - normals[k] * (way @ normals[k])
        numbers.append(own)
        points.append(start + 0.5 * way)
        along.append(way / max(float(np.linalg.norm(way)), 1e-9))
    link = np.array(numbers)
    # out of the base's frame of the stretched hand into the links' own
    axes = [
        posed_points(hand, IDENTITY, hand.open_joints, link, np.tile(e, (len(link), 1)), turn_only=True)
        for e in np.eye(3)
    ]
    R = np.stack(axes, axis=2)
    local = np.einsum("kji,kj->ki", R, np.array(points) - origins[link])
    return Crooks(link, local, np.einsum("kji,kj->ki", R, np.array(along)))


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
