"""Whether single fingers do what the task asks of them: go through an opening, press on their own point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.openings import Opening
from zdg_jax.refine.aims import Aims, functional_pads

#: A pad of thumb and index serves its point so near, and no longer at all so much further away, metres.
AT_POINT, FADES = (0.015, 0.010), 0.02


class AimsMet(NamedTuple):
    """Attributes:
    met: how far a grasp does what the task asks of single fingers; NaN where it asks nothing.
    enclosed: a finger or the thumb goes through an opening, and so has only the room it leaves.
    """

    met: Float[np.ndarray, " k"]
    enclosed: Bool[np.ndarray, " k"]


def measure_aims(
    hand: HandModel,
    aims: Aims,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> AimsMet:
    """Mean over the aims of a grasp: 1 for a finger through its opening, else 0; for a pad at distance d from
    its point clip(1 - (d - r) / 2 cm, 0, 1), r = 1.5 cm for the thumb, 1 cm for the index finger.

    Args:
      hand: the hand.
      aims: of the task.
      hand_pose, joints: grasps, object frame; not finite ones give 0, and are not enclosed.
    """
    inside = np.zeros(len(hand_pose), bool)
    finite = np.isfinite(np.concatenate([hand_pose, joints], axis=1)).all(axis=1)
    shares: list[np.ndarray] = []
    if aims.points is not None:
        pads = posed(hand, hand_pose, joints, "pad")
        for place, point, reach in zip(functional_pads(hand), aims.points, AT_POINT, strict=True):
            if place is not None:
                distance = np.linalg.norm(pads[:, place] - point, axis=1)
                shares.append(np.clip(1.0 - (distance - reach) / FADES, 0.0, 1.0))
    lines = finger_lines(hand, hand_pose, joints) if aims.fingers is not None else {}
    own = {hand.finger_names[hand.thumb]}
    for opening, asked in ((aims.fingers, lines.keys() - own), (aims.thumb, lines.keys() & own)):
        if opening is not None:
            passing = {name: through(opening, line) for name, line in lines.items()}
            shares.append(np.any([passing[name] for name in asked], axis=0).astype(float))
            inside |= np.any(list(passing.values()), axis=0)
    if not shares:
        return AimsMet(np.full(len(hand_pose), np.nan), inside)
    return AimsMet(np.where(finite, np.mean(shares, axis=0), 0.0), inside & finite)


def finger_lines(
    hand: HandModel, hand_pose: Float[np.ndarray, "k 7"], joints: Float[np.ndarray, "k active"]
) -> dict[str, Float[np.ndarray, "k corners 3"]]:
    """Every finger with a pad as the line from its root over its links' origins to the pad, object frame."""
    origins, pads = (posed(hand, hand_pose, joints, what) for what in ("link", "pad"))
    lines = {}
    for place, name in enumerate(hand.pad_names):
        links = [hand.link_names.index(link) for link in hand.finger_links[name]]
        lines[name] = np.concatenate([origins[:, links], pads[:, place, None]], axis=1)
    return lines


def through(opening: Opening, line: Float[np.ndarray, "*n corners 3"]) -> Bool[np.ndarray, "*n"]:
    """Whether a line of corners passes through an opening: crosses its plane inside its outline.

    Args:
      opening: where.
      line: corners of one or many lines, object frame, metres.
    """
    local = line - opening.center
    height = local @ opening.axis
    flat = local @ opening.across.T
    a, b = height[..., :-1], height[..., 1:]
    crosses = (a * b <= 0) & (np.abs(a - b) > 1e-9)
    share = np.where(crosses, a / np.where(crosses, a - b, 1.0), 0.0)
    at = flat[..., :-1, :] + share[..., None] * (flat[..., 1:, :] - flat[..., :-1, :])
    return np.asarray((crosses & _inside(opening.edge, at)).any(axis=-1))


def _inside(edge: Float[np.ndarray, "corners 2"], at: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
    """Even-odd rule for points in a polygon."""
    x, y = at[..., None, 0], at[..., None, 1]
    (x0, y0), (x1, y1) = edge.T, np.roll(edge, -1, axis=0).T
    between = (y0 > y) != (y1 > y)
    step = np.where(y1 == y0, 1.0, y1 - y0)
    return np.asarray((between & (x < x0 + (x1 - x0) * (y - y0) / step)).sum(axis=-1) % 2 == 1)
