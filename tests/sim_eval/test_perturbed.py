"""Verdicts that are settled early, and shares of perturbed tests."""

from __future__ import annotations

import numpy as np
import pytest

from sim_eval import backends
from sim_eval.protocols import six_force
from sim_eval.protocols.six_force import SHIFT, TRIALS, TURN, _drawn, _moved, hold_share
from sim_eval.select.closing import close_and_test, plan_closing
from tests.sim_eval.select.things import around, field, held, shape
from zdg_jax.pose import wxyz_to_rotation

C = backends.backend("c", 1)


@pytest.mark.slow
def test_a_verdict_that_is_settled_early_is_that_of_the_whole_test() -> None:
    for made, name in ((held, "rod"), (around, "rod"), (around, "ball")):
        hand, pose, joints = made(name, 4)
        plan, rows = plan_closing(hand, field(name), pose, joints), np.zeros(4, int)
        start = plan.pregrasp
        given = (hand, (shape(name),), rows, pose, start.joints, joints, plan.squeeze, C, start.hand_pose)
        whole, early = six_force.run(*given), six_force.run(*given, until_decided=True)
        np.testing.assert_array_equal(early.success, whole.success)
        np.testing.assert_array_equal(early.forces_held, whole.forces_held)


def test_perturbations_stay_within_their_bounds_and_do_not_depend_on_the_batch() -> None:
    shift, turn = _drawn(200, 3, 1)
    assert np.linalg.norm(shift, axis=1).max() <= SHIFT
    assert np.linalg.norm(turn, axis=1).max() <= TURN
    assert np.linalg.norm(shift, axis=1).mean() > 0.5 * SHIFT
    np.testing.assert_array_equal(_drawn(5, 3, 1)[0], shift[:5])
    pose = held("rod", 2)[1]
    moved = _moved(pose, pose, shift[:2], turn[:2])
    np.testing.assert_allclose(moved[:, :3] - pose[:, :3], shift[:2], atol=1e-12)
    by = wxyz_to_rotation(moved[:, 3:]) * wxyz_to_rotation(pose[:, 3:]).inv()
    np.testing.assert_allclose(by.as_rotvec(), turn[:2], atol=1e-9)


@pytest.mark.slow
def test_the_share_is_that_of_trials_and_of_each_row_alone() -> None:
    hand, pose, joints = held("rod", 3)
    pose[1, 1] += 0.5  # far above: nothing is held
    plan = close_and_test(hand, field("rod"), shape("rod"), pose, joints, C)
    start = plan.pregrasp

    def share(rows: slice) -> np.ndarray:
        return hold_share(
            hand, (shape("rod"),), np.zeros(len(pose[rows]), int), pose[rows], start.joints[rows],
            joints[rows], plan.squeeze[rows], C, start.hand_pose[rows],
        )  # fmt: skip

    found = share(slice(None))
    assert set(np.round(found * TRIALS, 6)) <= set(range(TRIALS + 1))
    assert found[1] == 0.0
    assert found.max() > 0.0
    np.testing.assert_array_equal(share(slice(0, 1)), found[:1])
