"""What fingers touch beside the region."""

from __future__ import annotations

import itertools

import numpy as np

from sim_eval.metrics import contact
from sim_eval.select.score import apart, blocked_share, off_region_ratio, under
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import posed, posed_skin, posed_spheres
from zdg_jax.objects import load_object, signed_distance


def test_off_region_ratio_is_the_share_of_touching_fingers_beside_the_region() -> None:
    hand, obj = load_hand("human16"), load_object("zoo:box/1")
    grasp = np.r_[obj.mesh.bounds.mean(axis=0), 1.0, 0, 0, 0]
    far, broken = np.r_[grasp[:3] + 5, grasp[3:]], np.full(7, np.nan)
    pose, joints = np.stack([grasp, far, broken]), np.tile(hand.open_joints, (3, 1))
    everything = np.ones(len(obj.samples.points), bool)

    def share(region: np.ndarray) -> np.ndarray:
        return off_region_ratio(
            hand, obj, ContactGuidance(region, np.zeros_like(region), None, (1,), (1,)), pose, joints
        )

    assert share(everything).tolist() == [0, 1, 1]
    assert share(~everything).tolist() == [1, 1, 1]
    half = obj.samples.points[:, 1] > np.median(obj.samples.points[:, 1])
    assert 0 < share(half)[0] < 1
    # an independent count: the metric's own touch and part
    skin = np.asarray(posed_skin(hand, pose[:1], joints[:1]))
    touch = contact.touching(signed_distance(obj.mesh, skin[0])[None])
    ratio = contact.semantic_contact_ratio(
        touch, contact.on_part(skin, obj.samples.points, half), hand.skin_finger
    )
    assert abs(1 - ratio[0] - share(half)[0]) < 0.02


def test_blocked_share_is_the_share_of_free_points_in_the_hand() -> None:
    hand = load_hand("human16")
    pose, joints = (
        np.array([[0.1, 0.2, 0.3, 1.0, 0, 0, 0], np.full(7, np.nan)]),
        np.tile(hand.open_joints, (2, 1)),
    )
    centers = np.asarray(posed_spheres(hand, pose[:1], joints[:1]))[0]
    free = np.concatenate([centers[:3], centers[:1] + 5.0])
    share = blocked_share(hand, free, pose, joints)
    assert share[0] == 0.75
    assert np.isnan(share[1])
    assert blocked_share(hand, np.zeros((0, 3)), pose, joints).tolist() == [0, 0]


def test_a_hand_reaches_as_far_below_a_thing_as_its_lowest_skin() -> None:
    hand, obj = load_hand("human16"), load_object("zoo:box/1")
    joints = np.tile(hand.open_joints, (3, 1))
    pose = np.tile([0.1, 0.2, 0.3, 1.0, 0, 0, 0], (3, 1))
    pose[1, 1] -= 0.07
    pose[2] = np.nan
    found = under(hand, obj, pose, joints)
    lowest = np.asarray(posed_skin(hand, pose[:1], joints[:1]))[..., 1].min()
    np.testing.assert_allclose(found[:2], obj.mesh.bounds[0, 1] - lowest + [0.0, 0.07], atol=1e-6)
    assert np.isnan(found[2])


def test_fingertips_are_apart_by_the_widest_gap_between_neighbours_wherever_the_hand_is() -> None:
    hand = load_hand("human16")
    joints = np.stack([hand.open_joints, hand.open_joints, np.full_like(hand.open_joints, np.nan)])
    pose = np.array([[0.0, 0, 0, 1, 0, 0, 0], [0.3, -0.1, 0.2, 0.5, 0.5, -0.5, 0.5], [0.0, 0, 0, 1, 0, 0, 0]])
    found, thumb = apart(hand, pose, joints)
    pad = dict(zip(hand.pad_names, np.asarray(posed(hand, pose[:1], joints[:1], "pad"))[0], strict=True))
    fingers = ("thumb", "index", "middle", "ring", "little")
    gaps = [np.linalg.norm(pad[a] - pad[b]) for a, b in itertools.pairwise(fingers)]
    np.testing.assert_allclose(found[:2], max(gaps[1:]), rtol=1e-5)
    np.testing.assert_allclose(thumb[:2], gaps[0], rtol=1e-5)
    assert np.isnan([found[2], thumb[2]]).all()
