"""Approach, close and squeeze: several ways to press are tried in simulation, the grasp never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from sim_eval.backends import Backend
from sim_eval.protocols import six_force
from sim_eval.select.pregrasp import Pregrasp, find_pregrasp
from sim_eval.select.squeeze import FAR_REACH, balanced_torque, rule_torque, squeeze_targets
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import SignedDistanceField

#: Ways to press, in the order in which they are tried: shares of the torques that balance, of those that
#: fingers up to `FAR_REACH` away help to balance, and of the rule's.
SQUEEZES = {
    "balanced": (1.0, 0.0, 0.0),
    "firm": (1.6, 0.0, 0.0),
    "far": (0.0, 1.0, 0.0),
    "both": (1.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class Closing:
    """How the hand comes and presses; one row a grasp.

    Attributes:
      pregrasp: where it comes from, see `find_pregrasp`.
      squeeze: servo targets, radians, within limits.
      way: which of `SQUEEZES`.
      residual: see `balanced_torque`.
      success, forces_held: of `six_force`; false and 0 where it was not run.
      tested: how many closings were simulated.
    """

    pregrasp: Pregrasp
    squeeze: Float[np.ndarray, "n active"]
    way: tuple[str, ...]
    residual: Float[np.ndarray, " n"]
    success: Bool[np.ndarray, " n"]
    forces_held: Int[np.ndarray, " n"]
    tested: Int[np.ndarray, " n"]


def plan_closing(
    hand: HandModel,
    field: SignedDistanceField,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    way: str = "balanced",
    enclosed: Bool[np.ndarray, " n"] | None = None,
) -> Closing:
    """Pregrasp and squeeze by geometry alone, nothing simulated; rows that are not finite stay NaN.

    Args:
      hand, field: the hand, and the object's field.
      hand_pose, joints: the grasps, object frame.
      way: one of `SQUEEZES`.
      enclosed: see `find_pregrasp`.
    """
    pose, q = np.asarray(hand_pose, np.float64), np.asarray(joints, np.float64)
    return _plan(hand, field, pose, q, enclosed)[way]


def close_and_test(
    hand: HandModel,
    field: SignedDistanceField,
    target: SimObject,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    simulator: Backend,
    ways: Sequence[str] = tuple(SQUEEZES),
    enclosed: Bool[np.ndarray, " n"] | None = None,
) -> Closing:
    """The first way to press with which each grasp withstands six forces, else that which withstands most.

    Args:
      hand, field: the hand, and the object's field.
      target: the object, cut as the simulator wants it.
      hand_pose, joints: the grasps, object frame; they are not changed.
      simulator: see `sim_eval.backends`.
      ways: of `SQUEEZES`, in order; a grasp that holds is not tried again.
      enclosed: see `find_pregrasp`.
    """
    pose, q = np.asarray(hand_pose, np.float64), np.asarray(joints, np.float64)
    plans = _plan(hand, field, pose, q, enclosed)
    best = plans[ways[0]]
    squeeze, way = best.squeeze.copy(), list(best.way)
    success, held, tested = best.success.copy(), best.forces_held.copy(), best.tested.copy()
    start = best.pregrasp
    for name in ways:
        rows = np.flatnonzero(~success & np.isfinite(plans[name].squeeze).all(axis=1))
        if not len(rows):
            break
        found = six_force.run(
            hand, (target,), np.zeros(len(rows), int), pose[rows], start.joints[rows], q[rows],
            plans[name].squeeze[rows], simulator, start.hand_pose[rows], until_decided=True,
        )  # fmt: skip
        better = rows[found.success | (found.forces_held > held[rows])]
        squeeze[better] = plans[name].squeeze[better]
        for row in better:
            way[row] = name
        success[rows], held[rows] = found.success, np.maximum(held[rows], found.forces_held)
        tested[rows] += 1
    return replace(best, squeeze=squeeze, way=tuple(way), success=success, forces_held=held, tested=tested)


def _plan(
    hand: HandModel, field: SignedDistanceField, pose: np.ndarray, q: np.ndarray, enclosed: np.ndarray | None
) -> dict[str, Closing]:
    """`plan_closing` for each of `SQUEEZES`."""
    n = len(q)
    start = find_pregrasp(hand, field, pose, q, enclosed)
    fine = np.isfinite(pose).all(axis=1) & np.isfinite(q).all(axis=1)
    rule, near, far, reach = (np.full(q.shape, np.nan) for _ in range(4))
    residual = np.full(n, np.nan)
    rule[fine] = rule_torque(hand, q[fine])
    grasps = hand, field, pose[fine], q[fine], rule[fine]
    near[fine], _, residual[fine] = balanced_torque(*grasps)
    far[fine], reach[fine], _ = balanced_torque(*grasps, FAR_REACH)
    made = {}
    for name, (a, b, c) in SQUEEZES.items():
        squeeze = np.full(q.shape, np.nan)
        torque = a * near[fine] + (b * far[fine] if b else 0.0) + c * rule[fine]
        squeeze[fine] = squeeze_targets(hand, q[fine], torque, reach[fine] if b else 0.0)
        nothing = np.zeros(n, bool), np.zeros(n, int), np.zeros(n, int)
        made[name] = Closing(start, squeeze, (name,) * n, residual, *nothing)
    return made
