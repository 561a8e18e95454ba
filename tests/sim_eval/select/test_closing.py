"""Approach, close, squeeze, and what six forces say of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sim_eval import backends
from sim_eval.backends import c
from sim_eval.backends.jobs import Hold
from sim_eval.protocols import six_force
from sim_eval.protocols.hold import poses_of, waypoints_of
from sim_eval.select.closing import SQUEEZES, close_and_test, plan_closing
from tests.sim_eval.select.things import around, field, held, shape
from zdg_jax.hands.kinematics import posed_spheres


def test_what_holds_is_said_to_hold_and_no_grasp_is_moved() -> None:
    hand, pose, joints = held("rod", 3)
    before = pose.copy(), joints.copy()
    simulator = backends.backend("c", 1)
    found = close_and_test(hand, field("rod"), shape("rod"), pose, joints, simulator)
    np.testing.assert_array_equal(pose, before[0])
    np.testing.assert_array_equal(joints, before[1])
    assert found.success.any()
    assert set(found.way) <= set(SQUEEZES)
    start, rows = found.pregrasp, np.zeros(3, int)
    again = six_force.run(
        hand, (shape("rod"),), rows, pose, start.joints, joints, found.squeeze, simulator, start.hand_pose
    )
    np.testing.assert_array_equal(again.success, found.success)
    np.testing.assert_array_equal(again.forces_held, found.forces_held)


@pytest.mark.slow
def test_rows_that_can_not_hold_are_tried_every_way_and_leave_the_others_alone() -> None:
    hand, pose, joints = held("rod", 3)
    pose[1, 1] += 0.5  # far above
    joints[2, 3] = np.nan
    simulator = backends.backend("c", 1)
    found = close_and_test(hand, field("rod"), shape("rod"), pose, joints, simulator)
    alone = close_and_test(hand, field("rod"), shape("rod"), pose[:1], joints[:1], simulator)
    assert found.success.tolist() == [bool(alone.success[0]), False, False]
    np.testing.assert_allclose(found.squeeze[0], alone.squeeze[0], atol=1e-5)
    assert found.tested[1:].tolist() == [len(SQUEEZES), 0]
    assert found.pregrasp.free.tolist()[1:] == [True, False]
    assert np.isnan(found.squeeze[2]).all()


def test_a_plan_needs_no_simulation() -> None:
    hand, pose, joints = around("rod", 2)
    plan = plan_closing(hand, field("rod"), pose, joints, "both")
    assert plan.way == ("both", "both")
    assert not plan.success.any()
    assert not plan.tested.any()


def test_the_base_goes_from_pregrasp_to_grasp() -> None:
    """Far from the object the hand ends where its kinematics put it, whatever way it came."""
    hand, pose, joints = around("rod", 1)
    pose[:, 1] += 0.5
    start = pose.copy()
    start[:, :3] += [0.03, 0.02, -0.01]
    start[:, 3:] *= -1.0  # the same turn by its other quaternion
    from sim_eval.scene import hand_scene

    moved = poses_of(start, pose)
    assert (moved[:, 0, 3:] == pose[:, 3:]).all()
    job = Hold(
        hand, (shape("rod"),), np.zeros(1, int), moved, waypoints_of(joints, joints, joints),
        six_force.MASS, six_force.PARAMS, (5, 10), np.zeros((1, 3)), 1, 5, 1.0, 3.0,
    )  # fmt: skip
    import mujoco

    seen: list[np.ndarray] = []
    scene = hand_scene(hand, shape("rod"), six_force.MASS, six_force.PARAMS)
    look = c._look

    def spy(model: mujoco.MjModel, data: mujoco.MjData, *rest) -> str:
        why = look(model, data, *rest)
        seen.append(data.geom_xpos[: len(hand.sphere_radius)].copy())
        return why

    c._look = spy
    try:
        c.hold(job)
    finally:
        c._look = look
    assert scene.model.nmocap == 1
    order = np.argsort(hand.sphere_link, kind="stable")
    np.testing.assert_allclose(seen[0], posed_spheres(hand, start, joints)[0][order], atol=1e-6)
    np.testing.assert_allclose(seen[-1], posed_spheres(hand, pose, joints)[0][order], atol=2e-3)


def test_a_pregrasp_that_is_not_known_closes_on_the_spot() -> None:
    hand, pose, joints = around("rod", 2)
    unknown = np.full_like(pose, np.nan)
    np.testing.assert_array_equal(poses_of(unknown, pose), poses_of(None, pose))
    assert dataclasses.is_dataclass(plan_closing(hand, field("rod"), pose, joints))
