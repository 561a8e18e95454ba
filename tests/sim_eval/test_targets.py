"""Servo targets beyond a limit."""

from __future__ import annotations

import numpy as np

from sim_eval import backends
from sim_eval.backends.jobs import Hold
from sim_eval.protocols import six_force
from sim_eval.protocols.hold import reachable_targets, run_hold, waypoints_of
from tests.sim_eval.simulation import closing, human16, shape, wrapped
from zdg_jax.hands import load_hand


def job_of(change) -> Hold:
    """Rows of one grasp of the rod whose waypoints (pregrasp, grasp, squeeze) `change` alters."""
    hand = human16()
    pose, joints = wrapped(hand, ("rod",))
    waypoints = change(waypoints_of(closing(hand, joints)[0], joints, closing(hand, joints)[1]))
    n = len(waypoints)
    return Hold(
        hand, (shape("rod"),), np.zeros(n, int), np.tile(pose, (n, 3, 1)), waypoints, six_force.MASS,
        six_force.PARAMS, (2, 2), six_force.FORCES[:1], 2, 5, six_force.MAX_MOVE, float(six_force.MAX_TURN),
    )  # fmt: skip


def test_a_squeeze_beyond_a_limit_is_clipped_and_said_and_no_other_row_changes() -> None:
    hand = human16()

    def change(waypoints: np.ndarray) -> np.ndarray:
        rows = np.repeat(waypoints, 5, axis=0)
        rows[1, 2, 1] = hand.upper[1] + 0.1  # squeeze
        rows[2, 2, 1] = hand.upper[1]
        rows[3, 1, 1] = hand.upper[1] + 0.1  # grasp
        rows[4, 0, 1] = hand.lower[1] - 0.1  # pregrasp
        return rows

    found = run_hold(job_of(change), backends.backend("c", 1), 1.0, touch_end=False)
    assert found.status == ("ok", "ok", "ok", "joint_limits", "joint_limits")
    assert found.status_reason[0] == ""
    assert "squeeze clipped by 0.100 rad" in found.status_reason[1]
    assert found.move_m[1] == found.move_m[2]
    alone = run_hold(job_of(lambda w: w), backends.backend("c", 1), 1.0, touch_end=False)
    assert alone.move_m[0] == found.move_m[0]


def test_a_squeeze_that_is_not_finite_stays_invalid() -> None:
    def change(waypoints: np.ndarray) -> np.ndarray:
        waypoints[0, 2, 3] = np.nan
        return waypoints

    found = run_hold(job_of(change), backends.backend("c", 1), 1.0, touch_end=False)
    assert found.status == ("invalid_pose",)


def test_clipping_keeps_a_tendons_length_where_another_joint_has_room() -> None:
    """DexGraspBench clips what the motor is told, the tendon's length, not each joint's share of it."""
    hand, T = load_hand("shadow"), load_hand("shadow").transmission
    middle, distal = (hand.active_names.index(f"rh_FFJ{k}") for k in (2, 1))
    q = (hand.lower + hand.upper) / 2
    within = q[None].copy()
    q[middle] = hand.upper[middle] + 0.1
    got, notes = reachable_targets(hand, np.stack([q, within[0]]))
    assert (got <= hand.upper + 1e-12).all()
    np.testing.assert_allclose(T @ got[0], T @ q, atol=1e-12)
    assert got[0, distal] > q[distal]
    np.testing.assert_array_equal(got[1], within[0])
    assert notes == ["squeeze clipped by 0.100 rad to its limits", ""]
