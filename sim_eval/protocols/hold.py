"""What the tests with an actuated hand share: rows that can't run, verdicts from rollouts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sim_eval.backends import Backend
from sim_eval.backends.jobs import SKIPPED, Hold, Rollout
from sim_eval.protocols import Protocol
from sim_eval.simobject import SimObject
from zdg_jax.grasps import Grasps
from zdg_jax.hands.model import HandModel, drawn_joints
from zdg_jax.pose import is_pose

# Rows that no backend should be asked to simulate, and targets that a servo can't reach.
#: Radians over a limit that are rounding, not a fault.
SLACK = 1e-3


def row_faults(
    hand: HandModel,
    hand_pose: Float[np.ndarray, "n waypoints 7"],
    targets: Float[np.ndarray, "n waypoints active"],
) -> tuple[list[str], list[str]]:
    """(status, reason) a row: "invalid_pose" for what isn't finite, "joint_limits" for a hand that can't be.

    Args:
      hand: gives the limits.
      hand_pose: xyz and wxyz.
      targets: active joint angles, radians; all of a row's are looked at.
    """
    hand_pose, targets = np.asarray(hand_pose), np.asarray(targets)
    fine = np.asarray(is_pose(hand_pose).all(axis=1) & np.isfinite(targets).all(axis=(1, 2)))
    over = np.maximum(hand.lower - targets, targets - hand.upper).max(axis=1)  # by joint
    status, reason = ["ok"] * len(fine), [""] * len(fine)
    for row in np.flatnonzero(~fine | (over > SLACK).any(axis=1)):
        if not fine[row]:
            status[row] = "invalid_pose"
            reason[row] = "hand pose or joints are not finite, or the quaternion is 0"
            continue
        worst = int(over[row].argmax())
        status[row] = "joint_limits"
        reason[row] = (
            f"joint {hand.active_names[worst]} is {over[row, worst]:.3f} rad outside its limits "
            f"{hand.lower[worst]:.3f} to {hand.upper[worst]:.3f}"
        )
    return status, reason


def reachable_targets(
    hand: HandModel, targets: Float[np.ndarray, "n active"]
) -> tuple[Float[np.ndarray, "n active"], list[str]]:
    """Servo targets within the limits, and a note on each row where that changed something by over `SLACK`.

    A target may lie beyond a limit, where the hand itself can't: it is how hard to press. What stays of it
    is clip(q); joints of a tendon that have room take what another of the same tendon has none for.

    Args:
      hand: gives limits and tendons.
      targets: active joint angles, radians; a row that is not finite is left as it is.
    """
    targets = np.asarray(targets, np.float64)
    inside = np.clip(targets, hand.lower, hand.upper)
    over = np.nan_to_num(np.abs(targets - inside).max(axis=1))
    drawn = drawn_joints(hand, inside, (targets - inside) @ hand.transmission.T)
    fine = np.asarray(np.isfinite(targets).all(axis=1))
    notes = [f"squeeze clipped by {x:.3f} rad to its limits" if x > SLACK else "" for x in over]
    return np.where(fine[:, None], drawn, targets), notes


@dataclass(frozen=True)
class HoldResult:
    """One row a grasp.

    Attributes:
      success: the test's verdict; never true where status isn't "ok".
      move_m, turn_rad: largest displacement of the centre of mass and largest turn at any check, over the
        forces that were run: a row that fails under one force is left out of the next.
      start_depth_m: overlap of hand and object before the hand closes.
      forces_held: how many forces the grasp withstood.
      steps: time steps that were simulated.
      status: "ok", "invalid_pose", "joint_limits", "bad_object" or "sim_unstable"; the numbers of a row that
        isn't ok are NaN.
      status_reason: one line; for ok rows "" or what the simulation had to assume or to clip.
    """

    success: Bool[np.ndarray, " n"]
    move_m: Float[np.ndarray, " n"]
    turn_rad: Float[np.ndarray, " n"]
    start_depth_m: Float[np.ndarray, " n"]
    forces_held: Int[np.ndarray, " n"]
    steps: Int[np.ndarray, " n"]
    status: tuple[str, ...]
    status_reason: tuple[str, ...]


def run_hold(job: Hold, simulator: Backend, max_start_depth: float, touch_end: bool) -> HoldResult:
    """Simulate and judge; the last waypoint is a servo's target, which `reachable_targets` clips.

    Args:
      job: every row of it; those that can't be simulated are told apart here.
      simulator: see `sim_eval.backends`.
      max_start_depth: metres; deeper overlap at the beginning is a failure.
      touch_end: the hand has to touch the object at the last check.
    """
    squeeze, clipped = reachable_targets(job.hand, job.waypoints[:, -1])
    waypoints = np.concatenate([job.waypoints[:, :-1], squeeze[:, None]], axis=1)
    job = dataclasses.replace(job, waypoints=waypoints)
    status, reason = row_faults(job.hand, job.hand_pose, job.waypoints)
    good = np.flatnonzero(np.array([s == "ok" for s in status], bool))
    n = len(status)
    success, held, steps = np.zeros(n, bool), np.zeros(n, int), np.zeros(n, int)
    move, turn, depth = (np.full(n, np.nan) for _ in range(3))
    rollouts: Sequence[Rollout] = []
    if len(good):
        rollouts = simulator.hold(
            dataclasses.replace(
                job, index=job.index[good], hand_pose=job.hand_pose[good], waypoints=job.waypoints[good]
            )
        )
    why, passed, moved, turned, ran = _verdicts(job, rollouts, len(good), touch_end)
    held[good], move[good], turn[good], steps[good] = passed, moved, turned, ran
    if len(good):
        depth[good] = rollouts[0].depth[:, 0]
        success[good] = (passed == len(job.forces)) & (depth[good] <= max_start_depth)
    for place, row in enumerate(good):
        status[row] = "sim_unstable" if why[place] else "ok"
        notes = (job.objects[job.index[row]].note, clipped[row])
        reason[row] = why[place] or "; ".join(note for note in notes if note)
    lost = np.array([s != "ok" for s in status], bool)
    success[lost], held[lost], move[lost], turn[lost], depth[lost] = False, 0, np.nan, np.nan, np.nan
    return HoldResult(success, move, turn, depth, held, steps, tuple(status), tuple(reason))


def hold_protocol(name: str, run: Callable[..., HoldResult]) -> Protocol:
    """The protocol of a test with an actuated hand: NAME_suc, NAME_dis_cm and NAME_turn_deg (largest move and
    turn), NAME_depth_cm (overlap before the hand closes), NAME_held (forces withstood).

    Args:
      name: begins its columns.
      run: with the arguments of `six_force.run`.
    """

    def columns(
        hand: HandModel, objects: tuple[SimObject, ...], grasps: Grasps, simulator: Backend
    ) -> dict[str, np.ndarray]:
        held = run(
            hand, objects, grasps.object_index, grasps.hand_pose, grasps.pregrasp, grasps.joints,
            grasps.squeeze, simulator, grasps.pregrasp_pose,
        )  # fmt: skip
        return {
            f"{name}_suc": held.success,
            f"{name}_dis_cm": 100.0 * held.move_m,
            f"{name}_turn_deg": np.rad2deg(held.turn_rad),
            f"{name}_depth_cm": 100.0 * held.start_depth_m,
            f"{name}_held": held.forces_held,
            "status": np.array(held.status, np.str_),
            "status_reason": np.array(held.status_reason, object),
        }

    return Protocol(
        tuple(f"{name}_{end}" for end in ("suc", "dis_cm", "turn_deg", "depth_cm", "held")), columns
    )


def _verdicts(job: Hold, rollouts: Sequence[Rollout], rows: int, touch_end: bool):
    """(why it means nothing, forces withstood, largest move, largest turn, steps simulated), each by row."""
    why = np.full(rows, "", dtype=object)
    passed, move, turn = np.zeros(rows, int), np.zeros(rows), np.zeros(rows)
    steps = np.full(rows, (job.waypoints.shape[1] - 1) * job.ramp[0] * job.ramp[1])
    for rollout in rollouts:
        failure = np.array(rollout.failure, dtype=object)
        broken = (failure != "") & (failure != SKIPPED)
        why = np.where((why == "") & broken, failure, why)
        ran = failure == ""
        move = np.where(ran, np.fmax(move, np.fmax.reduce(rollout.move(), axis=1)), move)
        turn = np.where(ran, np.fmax(turn, np.fmax.reduce(rollout.turn(), axis=1)), turn)
        good = ran & ~rollout.beyond(job.max_move, job.max_turn).any(axis=1)
        passed += good & (rollout.contact[:, -1] | (not touch_end))
        steps += job.check_steps * (np.isfinite(rollout.depth[:, 1:]).sum(axis=1))
    return why, passed, move, turn, steps


def waypoints_of(
    pregrasp: Float[np.ndarray, "n active"],
    joints: Float[np.ndarray, "n active"],
    squeeze: Float[np.ndarray, "n active"],
) -> Float[np.ndarray, "n 3 active"]:
    """Pregrasp, grasp, squeeze."""
    return np.stack([pregrasp, joints, squeeze], axis=1)


def poses_of(
    pregrasp_pose: Float[np.ndarray, "n 7"] | None, hand_pose: Float[np.ndarray, "n 7"]
) -> Float[np.ndarray, "n 3 7"]:
    """Of link 0 at pregrasp, grasp and squeeze; the base moves before the grasp alone, if at all.

    Args:
      pregrasp_pose: None, or NaN in a row, where the hand closes on the spot.
      hand_pose: xyz (metres) and wxyz. Of the two quaternions of a turn the pregrasp takes the near one.
    """
    first = np.array(hand_pose if pregrasp_pose is None else pregrasp_pose, np.float64)
    first = np.where(np.isfinite(first).all(axis=1, keepdims=True), first, hand_pose)
    opposed = (first[:, 3:] * hand_pose[:, 3:]).sum(axis=1) < 0
    first[opposed, 3:] *= -1.0
    return np.stack([first, hand_pose, hand_pose], axis=1)
