"""Simulating the most promising of the refined grasps and choosing among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from pipelines import selection
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sdf.build import field_values

TOUCH = 0.005  # metres, as in sim_eval.metrics.contact
# What a hand that touches only other parts adds to its energy (docs/decisions.md).
STRAY_WEIGHT = 2.0


def chosen(
    hand: HandModel,
    obj: ObjectModel,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
    score: Float[np.ndarray, " k"],
    status: Sequence[str],
    keep: int,
    *,
    part: Bool[np.ndarray, " samples"] | None = None,
    threads: int | None = None,
    choose: bool = True,
) -> tuple[Int[np.ndarray, " kept"], dict[str, np.ndarray], int]:
    """The best `keep` grasps by score and simulation.

    The 3 keep of least score are simulated, and where fewer than keep / 2 of them are good (`selection.good`)
    the next 3 keep too: of a flat thing most grasps slip.

    Args:
      hand, obj: the hand and the object.
      hand_pose, joints, score, status: of the refined grasps.
      keep: how many to keep.
      part, threads: see `sim_eval.evaluate`.
      choose: False for the first `keep` usable ones as they come, to see a batch before any choice.
    Returns:
      (indices, best first; their columns of `evaluate`; how many were simulated).
    """
    from sim_eval.evaluate import evaluate

    step = selection.SHORTLIST * keep
    if choose:
        order = selection.shortlist(score, status, selection.ROUNDS * step)
    else:  # one round takes them all
        order = np.sort(selection.shortlist(score, status, len(score)))[:keep]
    columns: dict[str, np.ndarray] = {}
    done = 0
    while done < len(order) and (done == 0 or 2 * selection.good(columns).sum() < keep):
        rows = order[done : done + step]
        more = evaluate(
            hand, obj, hand_pose[rows], joints[rows], part=part, threads=threads, backend=selection.BACKEND
        )
        columns = {name: np.concatenate([columns[name], v]) if done else v for name, v in more.items()}
        done += len(rows)
    if not done:
        return order, {}, 0
    if not choose:
        return order, columns, done
    ranked = selection.rank(columns, score[order[:done]])[:keep]
    return order[ranked], {name: np.asarray(v)[ranked] for name, v in columns.items()}, done


def strayed(
    hand: HandModel,
    obj: ObjectModel,
    guidance: ContactGuidance | None,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
    score: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """score + `STRAY_WEIGHT` `stray`; the score itself where no region was reasoned."""
    if guidance is None:
        return score
    return score + STRAY_WEIGHT * stray(hand, obj, guidance, hand_pose, joints)


def stray(
    hand: HandModel,
    obj: ObjectModel,
    guidance: ContactGuidance,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> Float[np.ndarray, " k"]:
    """Share of the touching finger vertices v, phi(v) <= 5 mm, next to no sample of M_hand^3d or P_func^3d.

    No energy keeps the other fingers off the parts beside the chosen ones: E_cmap asks which vertices are
    near the region, not what they touch instead.

    Args:
      hand, obj: the hand and the object.
      guidance: the regions that were reasoned.
      hand_pose, joints: refined grasps, object frame.
    Returns: 1 where no finger touches or the grasp is not finite.
    """
    region = guidance.hand_mask | guidance.func_mask
    skin = np.asarray(posed_skin(hand, hand_pose, joints))[:, hand.skin_finger >= 0]
    finite = np.isfinite(skin).all(axis=(1, 2))
    touch = np.zeros(skin.shape[:2], bool)
    flat = skin[finite].reshape(-1, 3)
    touch[finite] = (field_values(obj.field, flat) <= TOUCH).reshape(-1, skin.shape[1])
    off = np.zeros_like(touch)
    if touch.any():
        off[touch] = ~region[KDTree(obj.samples.points).query(skin[touch])[1]]
    count = touch.sum(axis=1)
    return np.where(count > 0, off.sum(axis=1) / np.maximum(count, 1), 1.0)
