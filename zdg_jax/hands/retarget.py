"""Grasps of one hand, or joints of a human one, put on another hand by the keypoints of its fingers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from zdg_jax.errors import UserError, one_of
from zdg_jax.hands.grasp_types import keypoints
from zdg_jax.hands.keypoints import Goal, Obstacle, fit, to_pad
from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY, make_pose, transform_points, wxyz_to_matrix

#: A tip that its finger can't bring nearer to its goal than this is out of reach, metres.
REACH = 0.005
#: Weights: pads of thumb and index, of others; normals; palm; rest; penetration (see `keypoints.fit`).
FUNCTIONAL, OTHER, NORMAL, PALM, REST, CLEAR = 2.0, 1.0, 0.3, 0.002, 0.02, 1.0
STEPS, ALONE = 24, 12


@dataclass(frozen=True)
class Retargeted:
    """Grasps of the new hand, in the rows' order; object frame.

    Attributes:
      hand_pose, joints: xyz wxyz, and radians in the new hand's `active_names`.
      fingers: that both hands have.
      tip_error: distance of each pad to the other hand's, metres.
      reachable: whether the finger can bring its pad within `REACH` of the goal at all, from this base.
    """

    hand_pose: Float[np.ndarray, "n 7"]
    joints: Float[np.ndarray, "n active"]
    fingers: tuple[str, ...]
    tip_error: Float[np.ndarray, "n fingers"]
    reachable: Bool[np.ndarray, "n fingers"]


def retarget(
    source: HandModel,
    hand: HandModel,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n source_active"],
    grasp_types: Sequence[str],
    against: Obstacle | None = None,
) -> Retargeted:
    """Bring the pads of `hand` to where those of `source` lie, for a batch of grasps.

    The base starts where the pads of the grasp type's hand fit best (Kabsch); then `keypoints.fit` moves base
    and joints: pads and their normals to the source's, weakly the palm to its palm and joints to the grasp
    type's, spheres out of the object. Fingers that either hand lacks have no goal.

    Args:
      source, hand: from which, to which.
      hand_pose, joints: of the source, object frame; finite.
      grasp_types: one name a row; one that `hand` lacks starts from its stretched fingers.
      against: the object; None: no penetration is looked at.
    Raises:
      UserError: hands of different sides, or without common fingers, a thumb among them.
    """
    shared = tuple(f for f in hand.pad_names if f in source.pad_names)
    if hand.finger_names[hand.thumb] not in shared or len(shared) < 2:
        raise UserError(
            f"hands {source.name} and {hand.name} with pads {', '.join(shared) or 'none'} in common",
            "a thumb and another finger of the same name", "rename fingers in a card",
        )  # fmt: skip
    if keypoints(source).side != keypoints(hand).side:
        raise UserError(
            f"a hand of the other side ({hand.name})",
            f"one of the same side as {source.name}",
            "take its mirror image",
        )
    n = len(hand_pose)
    mine, theirs = ([h.pad_names.index(f) for f in shared] for h in (hand, source))
    goal_pad, goal_normal = np.zeros((n, len(hand.pad_names), 3)), np.zeros((n, len(hand.pad_names), 3))
    goal_pad[:, mine] = posed(source, hand_pose, joints, "pad")[:, theirs]
    goal_normal[:, mine] = posed(source, hand_pose, joints, "pad_normal")[:, theirs]
    weight = np.array([
        0.0 if f not in shared else FUNCTIONAL if f in hand.functional_fingers else OTHER
        for f in hand.pad_names
    ])  # fmt: skip
    R_source = wxyz_to_matrix(hand_pose[:, 3:])
    palm = transform_points(hand_pose, source.p_base_palm)
    R_palm = R_source @ source.R_base_palm
    rest = np.stack([
        hand.grasp_types[t].joints if t in hand.grasp_types else hand.open_joints for t in grasp_types
    ])  # fmt: skip
    start = _aligned(hand, rest, goal_pad, weight, R_palm)
    each = len(hand.active_names)
    goal = Goal(
        pad=goal_pad, normal=goal_normal, pad_weight=np.tile(weight, (n, 1)),
        normal_weight=np.tile(NORMAL * weight, (n, 1)), palm=palm, R_palm=R_palm,
        palm_weight=np.full(n, PALM),
        rest=rest, rest_weight=np.full((n, each), REST), clear=np.full(n, CLEAR),
    )  # fmt: skip
    pose, q, _ = fit(hand, start, rest, goal, free_base=True, steps=STEPS, against=against)
    alone = goal._replace(
        normal_weight=np.zeros_like(goal.normal_weight), palm_weight=np.zeros(n),
        rest_weight=np.full((n, each), 1e-5),
        pad_weight=np.tile((weight > 0).astype(float), (n, 1)), clear=np.zeros(n),
    )  # fmt: skip
    _, free, _ = fit(hand, pose, q, alone, free_base=False, steps=ALONE)

    def error(joints: np.ndarray) -> np.ndarray:
        return np.linalg.norm(posed(hand, pose, joints, "pad") - goal_pad, axis=2)[:, mine]

    return Retargeted(pose, q, shared, error(q), error(free) <= REACH)


def nearest_rotation(spread: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3 3"]:
    """argmax over rotations R of tr(R^T sum_k there_k here_k^T) (Kabsch 1976)."""
    U, _, V = np.linalg.svd(spread)
    U[:, :, 2] *= np.sign(np.linalg.det(U @ V))[:, None]
    return U @ V


def _aligned(hand: HandModel, joints, goal, weight, R_palm) -> np.ndarray:
    """Base poses that bring the pads nearest to their goals (Kabsch), the palm's axes pulling weakly too."""
    pads = posed(hand, IDENTITY, joints, "pad")
    w = weight / weight.sum()
    here, there = np.einsum("k,nkc->nc", w, pads), np.einsum("k,nkc->nc", w, goal)
    spread = np.einsum("k,nki,nkj->nij", w, goal - there[:, None], pads - here[:, None])
    # axes a centimetre long, so that two or three pads in a line do not leave a turn open
    spread = spread + 1e-4 * np.einsum("nik,jk->nij", R_palm, hand.R_base_palm)
    R = nearest_rotation(spread)
    return make_pose(there - np.einsum("nij,nj->ni", R, here), R)


# A hand put on the 21 joints of a human one, as MANO and hand trackers give them.
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
HUMAN_REST = 1e-4  # weight of the grasp type that fingers start from
START = "wrap-grasp"
HUMAN_STEPS = 40
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
        palm_weight=np.zeros(n), rest=rest, rest_weight=np.full((n, active), HUMAN_REST), clear=np.zeros(n),
    )  # fmt: skip
    start = _by_knuckles(marked, rest, points)
    pose, joints, _ = fit(marked, start, rest, goal, free_base=True, steps=HUMAN_STEPS)
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


def _by_knuckles(marked: HandModel, joints: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Base poses that bring wrist and fingers' roots nearest to theirs."""
    palm = [k for k, name in enumerate(NAMES) if name == WRIST or name.endswith("1")]
    here = posed(marked, IDENTITY, joints[:1], "pad")[0, palm]  # the palm is rigid
    there = points[:, palm]
    offset = there - there.mean(axis=1, keepdims=True)
    R = nearest_rotation(np.einsum("nki,kj->nij", offset, here - here.mean(axis=0)))
    return make_pose(there.mean(axis=1) - R @ here.mean(axis=0), R)
