"""Where the hand comes from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from sim_eval.select.closing import CLEARANCE, ENCLOSED, WAY_SLACK, find_pregrasp
from sim_eval.select.squeeze import point_jacobian
from tests.refine.test_aims import guidance, initial, ring
from tests.sim_eval.helpers import sphere
from tests.sim_eval.select.things import around, field
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import base_from_palm, posed_spheres
from zdg_jax.hands.model import pregrasp_and_squeeze
from zdg_jax.refine.aims import aimed, aims_of


@pytest.mark.parametrize("hand_name", ["human16", pytest.param("shadow", marks=pytest.mark.slow)])
def test_every_sphere_is_free_of_the_object_and_joints_are_within_limits(hand_name: str) -> None:
    """Against trimesh's exact distance to the mesh, not the field that the search reads."""
    hand, pose, joints = around("ball", 4, hand_name)
    found = find_pregrasp(hand, field("ball"), pose, joints)
    assert found.free.all(), found.reason
    centers = posed_spheres(hand, found.hand_pose, found.joints)
    mesh = sphere(0.03, level=4)
    outside = -trimesh.proximity.signed_distance(mesh, centers.reshape(-1, 3)).reshape(centers.shape[:2])
    gap = (outside - hand.sphere_radius).min(axis=1)
    assert (gap >= CLEARANCE - 3e-4).all()
    np.testing.assert_allclose(found.gap_m, gap, atol=5e-4)
    assert (found.joints >= hand.lower).all()
    assert (found.joints <= hand.upper).all()
    np.testing.assert_allclose(np.linalg.norm(found.hand_pose[:, 3:], axis=1), 1.0, atol=1e-9)


def test_the_wrist_moves_little() -> None:
    hand, pose, joints = around("rod", 6)
    found = find_pregrasp(hand, field("rod"), pose, joints)
    moved = np.linalg.norm(found.hand_pose[:, :3] - pose[:, :3], axis=1)
    turn = Rotation.from_quat(found.hand_pose[:, 3:], scalar_first=True).inv() * Rotation.from_quat(
        pose[:, 3:], scalar_first=True
    )
    assert moved.max() < 0.04
    assert turn.magnitude().max() < 1.0


def test_a_batch_is_its_rows_one_by_one_and_a_bad_row_stays_alone() -> None:
    hand, pose, joints = around("ball", 3)
    pose[1, 0] = np.nan
    together = find_pregrasp(hand, field("ball"), pose, joints)
    assert together.free.tolist() == [True, False, True]
    assert together.reason[1] == "the grasp is not finite"
    for row in (0, 2):
        alone = find_pregrasp(hand, field("ball"), pose[row : row + 1], joints[row : row + 1])
        np.testing.assert_allclose(together.joints[row], alone.joints[0], atol=1e-6)
        np.testing.assert_allclose(together.hand_pose[row], alone.hand_pose[0], atol=1e-6)


def test_a_hand_that_can_not_get_out_says_why() -> None:
    hand, pose, joints = around("ball", 1)
    pose[:, :3] = 0.0
    found = find_pregrasp(hand, field("block"), pose, joints)
    assert not found.free[0]
    assert "mm from the object; expected 5" in found.reason[0]


def test_a_way_through_a_wall_is_not_free() -> None:
    """The hand's own rule may start outside and yet pass through: here from the other side of a ball."""
    hand, pose, joints = around("ball", 1)
    start = pose.copy()
    start[:, 1] -= 0.3
    from sim_eval.select.closing import _way

    assert _way(hand, field("ball"), (start, joints), (pose, joints))[0] > WAY_SLACK
    assert _way(hand, field("ball"), (pose, joints), (pose, joints))[0] <= WAY_SLACK


def test_a_card_has_the_last_word() -> None:
    hand, pose, joints = around("rod", 2)
    own = dataclasses.replace(hand, pregrasp_opening=0.3)
    found = find_pregrasp(own, field("rod"), pose, joints)
    np.testing.assert_array_equal(found.joints, pregrasp_and_squeeze(own, joints)[0])
    np.testing.assert_array_equal(found.hand_pose, pose)


@pytest.mark.parametrize("hand_name", ["human16", pytest.param("shadow", marks=pytest.mark.slow)])
def test_jacobians_are_central_differences(hand_name: str) -> None:
    hand, pose, joints = around("rod", 1, hand_name)
    joints = np.clip(joints, hand.lower + 0.05, hand.upper - 0.05)
    centers = posed_spheres(hand, pose, joints)[0]
    count = len(centers)
    J = point_jacobian(hand, pose, joints, np.zeros(count, int), hand.sphere_link, centers)
    h = 0.01
    for k in range(joints.shape[1]):
        step = h * np.eye(joints.shape[1])[k]
        ends = posed_spheres(hand, pose, joints + step)[0], posed_spheres(hand, pose, joints - step)[0]
        np.testing.assert_allclose(J[:, :, k], (ends[0] - ends[1]) / (2 * h), atol=2e-5)


def test_a_finger_in_an_opening_needs_no_more_room_than_that_leaves() -> None:
    hand, obj = load_hand("human16"), ring()
    start = aimed(hand, obj, initial(), aims_of(obj, guidance(obj), "handle-grasp"))
    assert start is not None
    pose = base_from_palm(hand, start.initial.p_obj_palm[None], start.initial.R_obj_palm[None])
    wide = find_pregrasp(hand, obj.field, pose, start.joints[None])
    inside = find_pregrasp(hand, obj.field, pose, start.joints[None], np.array([True]))
    assert inside.gap_m == wide.gap_m
    assert inside.gap_m > ENCLOSED
    assert inside.free.all()
    assert wide.free == (wide.gap_m >= CLEARANCE)
