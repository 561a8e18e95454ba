"""What the tests with an actuated hand share: rows that can't run, verdicts from rollouts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sim_eval.backends import Backend
from sim_eval.backends.jobs import Hold
from sim_eval.backends.rollout import SKIPPED, Rollout
from sim_eval.protocols.rows import row_faults
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel


@dataclass(frozen=True)
class HoldResult:
    """One row a grasp.

    Attributes:
      success: the test's verdict; never true where status isn't "ok".
      move_m, turn_rad: largest displacement of the centre of mass and largest turn at any check, over the
        forces that were run: a row that fails under one force is left out of the next.
      start_depth_m: overlap of hand and object before the hand closes.
      forces_held: how many forces the grasp withstood.
      status: "ok", "invalid_pose", "joint_limits", "bad_object" or "sim_unstable"; the numbers of a row that
        isn't ok are NaN.
      status_reason: one line.
    """

    success: Bool[np.ndarray, " n"]
    move_m: Float[np.ndarray, " n"]
    turn_rad: Float[np.ndarray, " n"]
    start_depth_m: Float[np.ndarray, " n"]
    forces_held: Int[np.ndarray, " n"]
    status: tuple[str, ...]
    status_reason: tuple[str, ...]


def run_hold(job: Hold, simulator: Backend, max_start_depth: float, touch_end: bool) -> HoldResult:
    """Simulate and judge.

    Args:
      job: every row of it; those that can't be simulated are told apart here.
      simulator: see `sim_eval.backends`.
      max_start_depth: metres; deeper overlap at the beginning is a failure.
      touch_end: the hand has to touch the object at the last check.
    """
    status, reason = row_faults(job.hand, job.hand_pose, job.waypoints)
    good = np.flatnonzero(np.array([s == "ok" for s in status], bool))
    n = len(status)
    success, held = np.zeros(n, bool), np.zeros(n, int)
    move, turn, depth = (np.full(n, np.nan) for _ in range(3))
    rollouts: tuple[Rollout, ...] = ()
    if len(good):
        rollouts = simulator.hold(
            dataclasses.replace(
                job, index=job.index[good], hand_pose=job.hand_pose[good], waypoints=job.waypoints[good]
            )
        )
    for place, row in enumerate(good):
        why, passed, moved, turned = _verdict(job, rollouts, place, touch_end)
        if why:
            status[row], reason[row] = "sim_unstable", why
            continue
        reason[row] = job.objects[job.index[row]].note
        held[row], move[row], turn[row] = passed, moved, turned
        depth[row] = rollouts[0].depth[place, 0]
        success[row] = passed == len(job.forces) and depth[row] <= max_start_depth
    return HoldResult(success, move, turn, depth, held, tuple(status), tuple(reason))


def _verdict(
    job: Hold, rollouts: tuple[Rollout, ...], row: int, touch_end: bool
) -> tuple[str, int, float, float]:
    """(why it means nothing, forces withstood, largest move, largest turn) of one row."""
    passed, moved, turned = 0, 0.0, 0.0
    for rollout in rollouts:
        why = rollout.failure[row]
        if why == SKIPPED:
            break
        if why:
            return why, 0, 0.0, 0.0
        one = Rollout(
            rollout.p_world_com[[row]], rollout.q_world_obj[[row]], rollout.contact[[row]],
            rollout.depth[[row]], ("",),
        )  # fmt: skip
        moved, turned = max(moved, float(np.nanmax(one.move()))), max(turned, float(np.nanmax(one.turn())))
        held = not one.beyond(job.max_move, job.max_turn).any()
        passed += held and (bool(one.contact[0, -1]) or not touch_end)
    return "", passed, moved, turned


def waypoints_of(
    pregrasp: Float[np.ndarray, "n active"],
    joints: Float[np.ndarray, "n active"],
    squeeze: Float[np.ndarray, "n active"],
) -> Float[np.ndarray, "n 3 active"]:
    """Pregrasp, grasp, squeeze."""
    return np.stack([pregrasp, joints, squeeze], axis=1)
