"""Eq. 2 and the K candidate rotations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.things import random_rotation
from zdg_jax.reasoning.stages.rotation import palm_rotations

UNIT = [np.array(v) / np.linalg.norm(v) for v in ([0, 1, 0], [0, 0, 1], [1, 2, 3], [-1, 0.2, 0.1], [1, 0, 0])]
AXIS = np.array([1.0, 0.0, 0.0])


@pytest.mark.parametrize("direction", UNIT)
@pytest.mark.parametrize("count", [1, 4, 6])
def test_proper_and_palm_opposes_direction(direction: np.ndarray, count: int) -> None:
    R = palm_rotations(AXIS, direction, count)
    assert R.shape == (count, 3, 3)
    np.testing.assert_allclose(R @ R.transpose(0, 2, 1), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-12)
    np.testing.assert_allclose(R[:, :, 2], np.broadcast_to(-direction, (count, 3)), atol=1e-12)


@pytest.mark.parametrize("direction", UNIT)
def test_even_turns_about_the_palm(direction: np.ndarray) -> None:
    x = palm_rotations(AXIS, direction, 4)[:, :, 0]
    np.testing.assert_allclose(
        x @ x.T, [[1, 0, -1, 0], [0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1]], atol=1e-12
    )


@pytest.mark.parametrize("direction", UNIT[:3])
def test_one_and_three_lie_across_the_axis(direction: np.ndarray) -> None:
    x = palm_rotations(AXIS, direction, 4)[:, :, 0]
    np.testing.assert_allclose(x[[1, 3]] @ AXIS, 0, atol=1e-12)
    assert x[0] @ AXIS > 0


@pytest.mark.parametrize("seed", range(4))
def test_turn_with_axis_and_direction(seed: int) -> None:
    Q = random_rotation(seed)
    before = palm_rotations(AXIS, UNIT[2], 4)
    np.testing.assert_allclose(palm_rotations(Q @ AXIS, Q @ UNIT[2], 4), Q @ before, atol=1e-12)


def test_axis_seen_end_on_gives_way_to_up() -> None:
    R = palm_rotations(AXIS, AXIS, 4)
    np.testing.assert_allclose(R[0][:, 0], [0, 1, 0], atol=1e-12)
    up = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(palm_rotations(up, up, 4)[0][:, 0], [0, 0, 1], atol=1e-12)
