"""A hand put on the 21 joints of a human one, as MANO and hand trackers give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from zdg_jax.errors import UserError, one_of
from zdg_jax.hands.crooks import to_pad
from zdg_jax.hands.keypoints import Goal, fit
from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.retarget import nearest_rotation
from zdg_jax.pose import IDENTITY, make_pose

FINGERS = ("thumb", "index", "middle", "ring", "little")
WRIST = "wrist"
#: From the root outward: three joints and the end of the finger.
ALONG = (1, 2, 3, 4)


def _ordered(fingers: tuple[str, ...]) -> tuple[str, ...]:
    return (WRIST, *(f"{finger}{k}" for finger in fingers for k in ALONG))


#: Orders in which the joints come. "openpose" is also that of manopth, manotorch and MediaPipe; "mano" that
#: of otaheri's MANO with `return_tips`: sixteen joints, the little finger before the ring finger, then tips.
ORDERS: Mapping[str, tuple[str, ...]] = {
    "openpose": _ordered(FINGERS),
    "mano": (
        WRIST,
        *(f"{finger}{k}" for finger in ("index", "middle", "little", "ring", "thumb") for k in ALONG[:3]),
        *(f"{finger}4" for finger in FINGERS),
    ),
}
NAMES = ORDERS["openpose"]
#: Weights of the squares: tips touch, the wrist is where hands differ most.
AT_TIP, AT_JOINT, AT_WRIST = 4.0, 1.0, 0.3
REST = 1e-4  # weight of the grasp type that fingers start from
START = "wrap-grasp"
STEPS = 40
#: Lengths of bones, metres, beyond which points are no hand's in metres and in this order.
BONE, PALM_BONE = (0.005, 0.08), (0.01, 0.15)


@dataclass(frozen=True)
class Fitted:
    """Hands on keypoints, in the rows' order; object frame.

    Attributes:
      hand_pose, joints: xyz wxyz, and radians in `active_names`.
      error: distance of each of the hand's keypoints (`NAMES`) to its goal, metres.
    """

    hand_pose: Float[np.ndarray, "n 7"]
    joints: Float[np.ndarray, "n active"]
    error: Float[np.ndarray, "n 21"]


def in_order(points: Float[np.ndarray, "*n 21 3"], order: str) -> Float[np.ndarray, "*n 21 3"]:
    """Keypoints in the order of `NAMES`.

    Raises:
      UserError: an unknown order, or bones that no hand in metres and in this order has.
    """
    one_of("joint order", order, ORDERS, "name the order")
    points = points[..., [ORDERS[order].index(name) for name in NAMES], :]
    for k, name in enumerate(NAMES[1:], start=1):
        root = name.endswith("1")
        length = np.linalg.norm(points[..., k, :] - points[..., 0 if root else k - 1, :], axis=-1)
        low, high = PALM_BONE if root else BONE
        worst = float(np.max(length, initial=low)), float(np.min(length, initial=high))
        if worst[0] > high or worst[1] < low:
            shown = worst[0] if worst[0] > high else worst[1]
            raise UserError(
                f"a bone before {name} of {shown:.3g} m",
                f"{low} to {high} m",
                f"give metres, and joints in the order {order}: {', '.join(ORDERS[order])}",
            )
    return points


def fit_keypoints(hand: HandModel, points: Float[np.ndarray, "n 21 3"]) -> Fitted:
    """Put a hand's wrist, joints and tips on those of a human right hand.

    min over base and joints, within limits, of Σ_k w_k ρ(|p_k - g_k|), ρ Huber's with 1 cm, by
    `keypoints.fit`; the start is the palm's best rigid fit (Kabsch), fingers half curled.

    Args:
      hand: with five fingers of three links each, such as human16.
      points: finite, metres, object frame, in the order of `NAMES`.

    Raises:
      UserError: a hand of other fingers.
    """
    marked = _marked(hand)
    n, active = len(points), len(hand.active_names)
    if n == 0:
        return Fitted(np.zeros((0, 7)), np.zeros((0, active)), np.zeros((0, len(NAMES))))
    rest = np.tile(hand.grasp_types[START].joints if START in hand.grasp_types else hand.open_joints, (n, 1))
    weight = np.array([AT_WRIST if k == WRIST else AT_TIP if k.endswith("4") else AT_JOINT for k in NAMES])
    goal = Goal(
        pad=points, normal=np.zeros((n, len(NAMES), 3)), pad_weight=np.tile(weight, (n, 1)),
        normal_weight=np.zeros((n, len(NAMES))), palm=np.zeros((n, 3)), R_palm=np.tile(np.eye(3), (n, 1, 1)),
        palm_weight=np.zeros(n), rest=rest, rest_weight=np.full((n, active), REST), clear=np.zeros(n),
    )  # fmt: skip
    start = _aligned(marked, rest, points)
    pose, joints, _ = fit(marked, start, rest, goal, free_base=True, steps=STEPS)
    off = posed(marked, pose, joints, "pad") - points
    return Fitted(pose, joints, np.linalg.norm(off, axis=-1))


def human_keypoints(
    hand: HandModel, hand_pose: Float[np.ndarray, "n 7"], joints: Float[np.ndarray, "n active"]
) -> Float[np.ndarray, "n 21 3"]:
    """Where the hand's own wrist, joints and tips lie, in the order of `NAMES`, metres, object frame.

    The wrist is link 0's origin, a joint the origin of the link that it moves, a tip the farthest reach of
    the last link's skin along its axis.
    """
    return posed(_marked(hand), hand_pose, joints, "pad")


# a second model of the hand, so that the solver is compiled once for it
@lru_cache(maxsize=4)
def _marked(hand: HandModel) -> HandModel:
    """The hand with the 21 keypoints in the place of its pads."""
    for finger in FINGERS:
        if len(hand.finger_links.get(finger, ())) != 3:
            raise UserError(
                f"hand {hand.name} without a three-link {finger} finger",
                f"{', '.join(FINGERS)} of three links each",
                "use human16",
            )
    links, points = [0], [np.zeros(3)]
    for finger in FINGERS:
        chain = [hand.link_names.index(link) for link in hand.finger_links[finger]]
        last = hand.p_link_skin[hand.skin_link == chain[-1]]
        along = to_pad(hand, hand.pad_names.index(finger))
        along = along / np.linalg.norm(along)
        links += [*chain, chain[-1]]
        points += [np.zeros(3)] * 3 + [(last @ along).max() * along]
    return dataclasses.replace(
        hand, pad_names=NAMES, pad_link=np.array(links), p_link_pad=np.array(points),
        n_link_pad=np.tile([0.0, 0.0, 1.0], (len(NAMES), 1)),
    )  # fmt: skip


def _aligned(marked: HandModel, joints: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Base poses that bring wrist and fingers' roots nearest to theirs."""
    palm = [k for k, name in enumerate(NAMES) if name == WRIST or name.endswith("1")]
    here = posed(marked, IDENTITY, joints[:1], "pad")[0, palm]  # the palm is rigid
    there = points[:, palm]
    offset = there - there.mean(axis=1, keepdims=True)
    R = nearest_rotation(np.einsum("nki,kj->nij", offset, here - here.mean(axis=0)))
    return make_pose(there.mean(axis=1) - R @ here.mean(axis=0), R)
