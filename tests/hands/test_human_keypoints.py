"""human16 put on the 21 joints of a human hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.retarget import NAMES, ORDERS, fit_keypoints, human_keypoints, in_order

TIPS = [k for k, name in enumerate(NAMES) if name.endswith("4")]


def grasps(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    hand, rng = load_hand("human16"), np.random.default_rng(seed)
    wxyz = np.roll(Rotation.random(n, rng=rng).as_quat(), 1, axis=1)
    pose = np.concatenate([rng.uniform(-0.2, 0.2, (n, 3)), wxyz], axis=1)
    return pose, rng.uniform(hand.lower, hand.upper, (n, len(hand.active_names)))


@pytest.mark.slow
def test_its_own_keypoints_give_the_hand_back() -> None:
    """Over the whole range of all joints, and whatever the pose."""
    hand = load_hand("human16")
    pose, joints = grasps(64)
    found = fit_keypoints(hand, human_keypoints(hand, pose, joints))
    assert found.error.max() < 1e-5
    np.testing.assert_allclose(found.joints, joints, atol=1e-3)
    same = np.abs(np.einsum("nk,nk->n", found.hand_pose[:, 3:], pose[:, 3:]))
    np.testing.assert_allclose(same, 1.0, atol=1e-6)


def test_keypoints_are_where_the_hand_bends_and_ends() -> None:
    hand = load_hand("human16")
    pose, joints = grasps(4)
    points = human_keypoints(hand, pose, joints)
    links = posed(hand, pose, joints, "link")
    np.testing.assert_allclose(
        points[:, NAMES.index("ring2")], links[:, hand.link_names.index("ring_middle")], atol=1e-6
    )
    skin = posed(hand, pose, joints, "skin")
    far = np.linalg.norm(skin[:, :, None] - points[:, None, TIPS], axis=-1).min(axis=1)
    assert far.max() < 0.004  # the skin's vertices are that far apart


@pytest.mark.slow
def test_equivariance() -> None:
    hand = load_hand("human16")
    # each four times: the size that other tests compile
    points = np.tile(human_keypoints(hand, *grasps(16)) * 1.08, (4, 1, 1))
    turn, shift = Rotation.random(rng=np.random.default_rng(3)), np.array([0.1, -0.3, 0.2])
    one = fit_keypoints(hand, points)
    other = fit_keypoints(hand, points @ turn.as_matrix().T + shift)
    # joints of a nearly straight finger trade against each other in a float's last bits: what is fitted is
    # compared as it is asked for, by its keypoints
    fitted = [human_keypoints(hand, f.hand_pose, f.joints) for f in (one, other)]
    np.testing.assert_allclose(fitted[1], fitted[0] @ turn.as_matrix().T + shift, atol=2e-4)
    np.testing.assert_allclose(other.joints, one.joints, atol=2e-2)
    np.testing.assert_allclose(other.error, one.error, atol=1e-4)


@pytest.mark.slow
def test_a_hand_of_other_proportions_is_met_within_millimetres() -> None:
    """Sizes and single bones differ by 7 %, as people do, and every bone points 5 degrees elsewhere."""
    hand, rng = load_hand("human16"), np.random.default_rng(1)
    kinds = [kind.joints for kind in hand.grasp_types.values()]
    joints = np.stack([kinds[k % len(kinds)] for k in range(64)]) + 0.15 * rng.normal(size=(64, 16))
    pose, _ = grasps(64)
    points = human_keypoints(hand, pose, np.clip(joints, hand.lower, hand.upper))
    theirs = points.copy()
    size = rng.normal(1, 0.07, 64)
    for k, name in enumerate(NAMES[1:], start=1):
        parent = 0 if name.endswith("1") else k - 1
        bone = (points[:, k] - points[:, parent]) * (size * rng.normal(1, 0.07, 64))[:, None]
        bend = Rotation.from_rotvec(np.deg2rad(5) * rng.normal(size=(64, 3)))
        theirs[:, k] = theirs[:, parent] + bend.apply(bone)
    found = fit_keypoints(hand, theirs)
    assert found.error.mean() < 0.008
    assert found.error[:, TIPS].mean() < 0.005
    assert (found.joints >= hand.lower - 1e-6).all()
    assert (found.joints <= hand.upper + 1e-6).all()


def test_orders_name_the_same_joints() -> None:
    # joints_info.py of otaheri/MANO, its pinky being our little finger
    theirs = "wrist index1 index2 index3 middle1 middle2 middle3 pinky1 pinky2 pinky3 ring1 ring2 ring3 "
    theirs += "thumb1 thumb2 thumb3 thumb_tip index_tip middle_tip ring_tip pinky_tip"
    assert ORDERS["mano"] == tuple(theirs.replace("pinky", "little").replace("_tip", "4").split())
    assert set(ORDERS["mano"]) == set(NAMES)
    points = human_keypoints(load_hand("human16"), *grasps(2))
    mano = points[:, [NAMES.index(name) for name in ORDERS["mano"]]]
    np.testing.assert_array_equal(in_order(mano, "mano"), points)
    with pytest.raises(UserError, match="joints in the order openpose"):
        in_order(mano, "openpose")
    with pytest.raises(UserError, match="give metres"):
        in_order(1000 * points, "openpose")
    with pytest.raises(UserError, match="one of openpose, mano"):
        in_order(points, "theirs")


def test_a_hand_of_other_fingers_is_refused() -> None:
    hand = load_hand("human16")
    short = dataclasses.replace(hand, finger_links={**hand.finger_links, "ring": ("ring_distal",)})
    with pytest.raises(UserError, match="three-link ring finger"):
        fit_keypoints(short, np.zeros((1, 21, 3)))
    assert fit_keypoints(hand, np.zeros((0, 21, 3))).joints.shape == (0, 16)
