"""Thumb, opposition and posture against what they are by hand."""

from __future__ import annotations

import numpy as np

from sim_eval.metrics.contact import opposition, thumb_touches
from sim_eval.select.score import bent, posture_excess
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import Posture

FINGER = np.array([-1, 0, 0, 1, 1, 2])


def test_opposition_is_the_cosine_of_mean_normals() -> None:
    touch = np.array([[1, 1, 1, 1, 0, 1], [1, 1, 0, 1, 1, 1], [1, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]], bool)
    normal = np.zeros((4, 6, 3))
    normal[0, 1:3], normal[0, 3:] = [1, 0, 0], [-1, 0, 0]
    normal[1, 1], normal[1, 3:5], normal[1, 5] = [1, 0, 0], [0, 1, 0], [0, 1, 0]
    np.testing.assert_allclose(opposition(touch, normal, FINGER, 0), [-1, 0, np.nan, np.nan], atol=1e-12)
    assert thumb_touches(touch, FINGER, 0).tolist() == [True, True, False, True]


def test_posture_is_degrees_beyond_the_worst_limit() -> None:
    limits = Posture(np.array([[0, 1], [1, 1]]), np.array([[0.3, -0.3], [1.0, 0.0]]), np.deg2rad([6.0, 50.0]))
    joints = np.deg2rad([[40.0, 10.0], [10.0, 40.0], [0.0, 70.0]])
    found = posture_excess(joints, limits)
    np.testing.assert_allclose(found, [(9 - 6) / np.hypot(0.3, 0.3), 0.0, 20.0], atol=1e-9)
    assert posture_excess(joints, Posture()).tolist() == [0.0, 0.0, 0.0]


def test_a_spread_bent_finger_is_unnatural() -> None:
    hand = load_hand("human16")
    joints = np.zeros((2, 16))
    at = hand.active_names.index
    joints[:, at("index_spread")], joints[1, at("index_mcp")] = np.deg2rad(10), np.deg2rad(70)
    stretched, bent = posture_excess(joints, hand.posture)
    assert stretched == 0.0
    assert bent > 5.0


def test_a_finger_that_its_type_stretches_is_bent_beyond_45_degrees() -> None:
    hand = load_hand("human16")
    at = hand.active_names.index
    joints = np.tile(hand.grasp_types["index-extension"].joints, (4, 1))
    joints[1, at("index_mcp")], joints[2, at("index_mcp")] = np.deg2rad([60, 60])
    joints[3, 0] = np.nan
    kinds = ["index-extension", "index-extension", "handle-grasp", "index-extension"]
    assert bent(hand, kinds, joints).tolist() == [False, True, False, False]
    for name, kind in hand.grasp_types.items():  # no type bends what it stretches
        assert not bent(hand, [name], kind.joints[None]).any()
