"""The imagined hand."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.reasoning.things import random_rotation
from zdg_jax.hands import load_hand
from zdg_jax.objects import build_signed_distance_field
from zdg_jax.reasoning.evidence import overlap_share
from zdg_jax.reasoning.stages import rotation

HAND = load_hand("human16")
T = np.array([0.1, 0.2, -0.1])


@pytest.mark.parametrize("seed", range(3))
def test_skin_moves_with_the_palm(seed: int) -> None:
    R = random_rotation(seed)
    at_origin = rotation.imagined_skin(HAND, np.zeros(3), np.eye(3))
    np.testing.assert_allclose(rotation.imagined_skin(HAND, T, R), at_origin @ R.T + T, atol=1e-5)


def test_fingers_point_along_x_and_the_hand_is_behind_its_palm() -> None:
    skin = rotation.imagined_skin(HAND, np.zeros(3), np.eye(3))
    middle = HAND.skin_finger == HAND.finger_names.index("middle")
    reach = skin[middle].mean(axis=0)
    assert reach[0] > 0.5 * np.linalg.norm(reach)
    assert skin[HAND.skin_finger < 0].mean(axis=0)[2] < 0  # z = D_palm leaves the palm


@pytest.mark.parametrize("seed", range(3))
def test_thumb_side_is_square_to_fingers_and_palm(seed: int) -> None:
    R = random_rotation(seed)
    skin = rotation.imagined_skin(HAND, T, R)
    side = rotation.thumb_side(HAND, skin, T, R)
    np.testing.assert_allclose([side @ R[:, 0], side @ R[:, 2], side @ side], [0, 0, 1], atol=1e-9)
    thumb, pinky = (
        skin[HAND.skin_finger == HAND.finger_names.index(name)].mean(axis=0) for name in ("thumb", "ring")
    )
    assert (thumb - pinky) @ side > 0.02


def test_overlap_share_of_a_ball() -> None:
    ball = build_signed_distance_field(trimesh.creation.icosphere(subdivisions=3, radius=0.05))
    points = np.asarray(trimesh.creation.icosphere(subdivisions=2).vertices)
    assert overlap_share(0.045 * points, ball) == 1.0
    assert overlap_share(0.055 * points, ball) == 0.0
    assert overlap_share(np.concatenate([0.04 * points, 5 * points]), ball) == 0.5


def test_open_joints_respect_limits() -> None:
    joints = HAND.open_joints
    assert (joints >= HAND.lower).all()
    assert (joints <= HAND.upper).all()


def test_pads_serve_points_that_they_are_at_and_not_the_same_ones_swapped() -> None:
    points = np.array([[0.0, 0.0, 0.0], [0.05, 0.0, 0.0]])
    aside = points + np.array([0.0, 0.02, 0.0])
    between = np.tile(points.mean(axis=0), (2, 1))
    pads = np.stack([points, points[::-1], aside, aside[::-1], between, points + 5.0, points[::-1] + 5.0])
    # what is far from both points is nearer to neither
    assert rotation.at_own_points(pads, points).tolist() == [True, False, True, False, True, True, True]
    assert rotation.at_own_points(pads, points[::-1]).tolist() == [False, True, False, True, True, True, True]
