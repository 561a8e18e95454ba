"""The gravity test against PyBullet: where hand and object have one shape, the engines agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from sim_eval.backends import c
from sim_eval.backends.jobs import Drop
from sim_eval.protocols import gravity
from tests.sim_eval.simulation import SHAPES, shape

pytest.importorskip("pybullet", reason="PyBullet has wheels up to Python 3.11 only")
from tests.sim_eval.bullet import Bullet

RADIUS = np.full(5, 0.01)


def ours(name: str, centres: np.ndarray) -> np.ndarray:
    job = Drop(
        (shape(name),),
        np.zeros(len(centres), int),
        RADIUS,
        centres,
        gravity.MASS,
        gravity.PARAMS,
        gravity.STEPS,
    )
    return c.drop(job).move()[:, -1]


def bullets(name: str, centres: np.ndarray) -> np.ndarray:
    obj = shape(name)
    server = Bullet([p[ConvexHull(p).vertices] for p in obj.pieces], obj.inertial.com)
    try:
        return np.array([server.drop_spheres(row, RADIUS)[0] for row in centres])
    finally:
        server.close()


@pytest.mark.parametrize("name", SHAPES)
def test_free_fall_is_the_same(name):
    """Bullet damps velocities by 4 % a second by default."""
    far = np.full((1, 5, 3), 3.0)
    np.testing.assert_allclose(bullets(name, far), ours(name, far), rtol=0.01)


def test_a_shallow_pinch_holds_and_a_loose_hand_does_not():
    """Four fingers around the ball's middle and one below, 0.3 mm in it or 3 mm off."""
    around = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1], [0, -5, 0]], float)
    centres = np.stack([around * 0.0395, around * 0.0430])
    a, b = ours("ball", centres), bullets("ball", centres)
    assert max(a[0], b[0]) < 0.006
    np.testing.assert_allclose(a[1], b[1], rtol=0.02)
    np.testing.assert_allclose(a[1], 0.107, rtol=0.01)
