"""Grasps of one hand for another, by the keypoints of its fingers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from zdg_jax.errors import UserError
from zdg_jax.hands.grasp_types import keypoints
from zdg_jax.hands.keypoints import Goal, Obstacle, fit
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
