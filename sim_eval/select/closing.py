"""Approach, close and squeeze: ways to come and to press are tried in simulation, the grasp never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from sim_eval.backends import Backend
from sim_eval.protocols import six_force
from sim_eval.protocols.hold import poses_of
from sim_eval.select.squeeze import (
    FAR_REACH,
    balanced_torque,
    outward_normals,
    point_jacobian,
    rule_torque,
    sphere_gaps,
    squeeze_targets,
)
from sim_eval.simobject import SimObject
from zdg_jax.hands.kinematics import posed_spheres
from zdg_jax.hands.model import HandModel, pregrasp_and_squeeze
from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.pose import rotation_to_wxyz, wxyz_to_rotation

# Where the hand comes from: every surface retreats along the object's normals until it is free.
#: Metres between every collision sphere and the object before the hand closes.
CLEARANCE = 0.005
#: A finger in an opening has no more room than that leaves it, metres.
ENCLOSED = 0.5e-3
#: What the search aims at, so that rounding and the field's own error leave `CLEARANCE`.
AIM = CLEARANCE + 1.5e-3
#: On the way to the grasp a sphere may stand deeper than at the grasp itself by so much, metres.
WAY_SLACK = 1e-3
_ROUNDS, _WAY = 30, (0.2, 0.4, 0.6, 0.8, 0.9)
#: What a radian of a joint, a metre and a radian of the wrist cost; joints are the cheap ones.
_COST_JOINT, _COST_MOVE, _COST_TURN, _DAMPING = 0.02, 2.0, 0.03, 0.02
_MOST_TURN, _MOST_PUSH = 0.15, 0.01


@dataclass(frozen=True)
class Pregrasp:
    """One row a grasp.

    Attributes:
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame, where the hand comes from.
      joints: active joint angles there, radians.
      gap_m: least distance of a collision sphere from the object there; negative inside.
      free: `gap_m` is at least `CLEARANCE`, or `ENCLOSED` with a finger through an opening, and no sphere
        goes deeper on the way than it ends at the grasp.
      reason: why not, "" if free.
    """

    hand_pose: Float[np.ndarray, "n 7"]
    joints: Float[np.ndarray, "n active"]
    gap_m: Float[np.ndarray, " n"]
    free: Bool[np.ndarray, " n"]
    reason: tuple[str, ...]


def find_pregrasp(
    hand: HandModel,
    field: SignedDistanceField,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    enclosed: Bool[np.ndarray, " n"] | None = None,
) -> Pregrasp:
    """Open the joints and back the wrist off until every sphere is `CLEARANCE` from the object.

    Each round solves, for all spheres s nearer than `AIM`,
        min_d  sum_s (n_s . (J_s dq + dt + dw x r_s) - (AIM - gap_s))^2 + damping |d|^2_cost
    with n_s = grad phi at the sphere, dq the joints', dt and dw the wrist's step; joints that are at a limit
    and would go on stand still. A row keeps the best posture that it passed. A card with `pregrasp_opening`
    gives the posture itself: the wrist stays, every joint goes that share of the way to the stretched hand.

    Args:
      hand: limits, spheres, and the card's own rule if it has one.
      field: of the object.
      hand_pose, joints: the grasps; rows that are not finite come back as they are, and not free.
      enclosed: of which a finger goes through an opening; none by default.
    """
    pose, q = np.array(hand_pose, np.float64), np.array(joints, np.float64)
    fine = np.isfinite(pose).all(axis=1) & np.isfinite(q).all(axis=1)
    gap = np.full(len(q), np.nan)
    rows = np.flatnonzero(fine)
    if hand.pregrasp_opening is not None:
        q[rows] = pregrasp_and_squeeze(hand, q[rows])[0]
        gap[rows] = sphere_gaps(hand, field, posed_spheres(hand, pose[rows], q[rows])).min(axis=1)
    elif len(rows):
        pose[rows], q[rows], gap[rows] = _retreat(hand, field, pose[rows], q[rows])
    reason = [""] * len(q)
    for row in np.flatnonzero(~fine):
        reason[row] = "the grasp is not finite"
    deeper = np.zeros(len(q))
    deeper[rows] = _way(hand, field, (pose[rows], q[rows]), (hand_pose[rows], joints[rows]))
    need = np.where(np.zeros(len(q), bool) if enclosed is None else enclosed, ENCLOSED, CLEARANCE)
    for row in rows:
        if gap[row] < need[row]:
            reason[row] = (
                f"the hand starts {1e3 * gap[row]:.1f} mm from the object; expected {1e3 * need[row]:g}"
            )
        elif deeper[row] > WAY_SLACK:
            reason[row] = f"on its way the hand passes {1e3 * deeper[row]:.1f} mm through the object"
    free = np.array([not why for why in reason], bool)
    return Pregrasp(pose, q, gap, free, tuple(reason))


def _retreat(
    hand: HandModel, field: SignedDistanceField, pose: np.ndarray, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pose, joints, least gap) of the best posture that each row passes."""
    best = pose.copy(), q.copy(), np.full(len(q), -np.inf)
    rows = np.arange(len(q))
    pose, q = pose.copy(), np.clip(q, hand.lower, hand.upper)
    for _ in range(_ROUNDS):
        centers = posed_spheres(hand, pose[rows], q[rows])
        gap = sphere_gaps(hand, field, centers)
        least = gap.min(axis=1)
        up = least > best[2][rows]
        for kept, now in zip(best, (pose[rows], q[rows], least), strict=True):
            kept[rows[up]] = now[up]
        going = best[2][rows] < AIM - 5e-4
        rows, centers, gap = rows[going], centers[going], gap[going]
        if not len(rows):
            break
        pose[rows], q[rows] = _step(hand, field, pose[rows], q[rows], centers, gap)
    return best


def _step(
    hand: HandModel, field: SignedDistanceField, pose: np.ndarray, q: np.ndarray, centers: np.ndarray,
    gap: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """One damped Gauss-Newton step of `find_pregrasp`."""
    n, a = q.shape
    row, sphere = np.nonzero(gap < AIM)
    p = centers[row, sphere]
    normal = outward_normals(field, p)
    J = np.einsum("mi,mia->ma", normal, point_jacobian(hand, pose, q, row, hand.sphere_link[sphere], p))
    J = np.concatenate([J, normal, np.cross(p - pose[row, :3], normal)], axis=1)
    want = np.minimum(AIM - gap[row, sphere], _MOST_PUSH)
    begin = np.searchsorted(row, np.arange(n + 1))
    cost = _DAMPING * np.repeat([_COST_JOINT, _COST_MOVE, _COST_TURN], [a, 3, 3]) ** 2
    step = np.zeros((n, a + 6))
    for i in range(n):
        A, b = J[begin[i] : begin[i + 1]], want[begin[i] : begin[i + 1]]
        g = A.T @ b
        stuck = ((q[i] <= hand.lower + 1e-9) & (g[:a] < 0)) | ((q[i] >= hand.upper - 1e-9) & (g[:a] > 0))
        free = np.r_[~stuck, np.ones(6, bool)]
        A = A * free
        step[i] = np.linalg.solve(A.T @ A + np.diag(cost), A.T @ b)
    step *= np.minimum(1.0, _MOST_TURN / np.maximum(np.abs(step[:, :a]).max(axis=1), 1e-9))[:, None]
    turned = Rotation.from_rotvec(step[:, a + 3 :]) * wxyz_to_rotation(pose[:, 3:])
    pose = np.concatenate([pose[:, :3] + step[:, a : a + 3], rotation_to_wxyz(turned)], axis=1)
    return pose, np.clip(q + step[:, :a], hand.lower, hand.upper)


def _way(
    hand: HandModel, field: SignedDistanceField, start: tuple[np.ndarray, np.ndarray],
    end: tuple[np.ndarray, np.ndarray],
) -> Float[np.ndarray, " n"]:  # fmt: skip
    """How much deeper than at both ends a sphere gets on the straight way between them, metres."""
    if not len(start[1]):
        return np.zeros(0)
    ends = [np.minimum(0.0, sphere_gaps(hand, field, posed_spheres(hand, *x))) for x in (start, end)]
    allowed = np.minimum(*ends)
    deeper = np.zeros(len(start[1]))
    poses = poses_of(start[0], end[0])
    for t in _WAY:
        pose = poses[:, 0] + t * (poses[:, 1] - poses[:, 0])
        gap = sphere_gaps(hand, field, posed_spheres(hand, pose, start[1] + t * (end[1] - start[1])))
        deeper = np.maximum(deeper, (allowed - np.minimum(0.0, gap)).max(axis=1))
    return deeper


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
