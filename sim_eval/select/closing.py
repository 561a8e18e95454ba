"""Approach, close and squeeze: several ways to press are tried in simulation, the grasp never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    start, press = find_pregrasp(hand, field, pose, q, enclosed), _Press(hand, field, pose, q)
    nothing = np.zeros(len(q), bool), np.zeros(len(q), int), np.zeros(len(q), int)
    return Closing(start, press.targets(way, np.arange(len(q))), (way,) * len(q), press.residual, *nothing)


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
    n = len(q)
    start, press = find_pregrasp(hand, field, pose, q, enclosed), _Press(hand, field, pose, q)
    squeeze, way = press.targets(ways[0], np.arange(n)), [ways[0]] * n
    success, held, tested = np.zeros(n, bool), np.zeros(n, int), np.zeros(n, int)
    for name in ways:
        rows = np.flatnonzero(~success & press.fine)
        tried = press.targets(name, rows)
        rows, tried = rows[known := np.isfinite(tried).all(axis=1)], tried[known]
        if not len(rows):
            break
        found = six_force.run(
            hand, (target,), np.zeros(len(rows), int), pose[rows], start.joints[rows], q[rows],
            tried, simulator, start.hand_pose[rows], until_decided=True,
        )  # fmt: skip
        better = found.success | (found.forces_held > held[rows])
        squeeze[rows[better]] = tried[better]
        for row in rows[better]:
            way[row] = name
        success[rows], held[rows] = found.success, np.maximum(held[rows], found.forces_held)
        tested[rows] += 1
    return Closing(start, squeeze, tuple(way), press.residual, success, held, tested)


class _Press:
    """Squeeze targets of grasps by any of `SQUEEZES`; what only some ways need is solved for when asked.

    Attributes:
      fine: rows whose pose and joints are finite.
      residual: see `balanced_torque`; NaN in the others.
    """

    def __init__(self, hand: HandModel, field: SignedDistanceField, pose: np.ndarray, q: np.ndarray) -> None:
        self._of, self._pose, self._q = (hand, field), pose, q
        self.fine: Bool[np.ndarray, " n"] = np.isfinite(pose).all(axis=1) & np.isfinite(q).all(axis=1)
        self._rule, self._near = np.full(q.shape, np.nan), np.full(q.shape, np.nan)
        self.residual = np.full(len(q), np.nan)
        fine = np.flatnonzero(self.fine)
        self._rule[fine] = rule_torque(hand, q[fine])
        self._near[fine], _, self.residual[fine] = self._balanced(fine)

    def targets(self, way: str, rows: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "rows active"]:
        """Of these rows; NaN where a row is not finite."""
        near, far, rule = SQUEEZES[way]
        out = np.full((len(rows), self._q.shape[1]), np.nan)
        fine = self.fine[rows]
        of = rows[fine]
        torque, reach = near * self._near[of] + rule * self._rule[of], 0.0
        if far:
            wide, reach, _ = self._balanced(of, FAR_REACH)
            torque = torque + far * wide
        out[fine] = squeeze_targets(self._of[0], self._q[of], torque, reach)
        return out

    def _balanced(self, rows: np.ndarray, *within: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return balanced_torque(*self._of, self._pose[rows], self._q[rows], self._rule[rows], *within)
