"""Overlap of spheres where it is known, and of real hands against a pairwise loop."""

from __future__ import annotations

import numpy as np

from sim_eval.metrics.penetration import self_penetration
from tests.sim_eval.helpers import grasps, hand, sphere
from zdg_jax.hands.kinematics import posed_spheres

RADIUS = np.array([0.01, 0.02, 0.005])
PAIRS = np.array([[0, 1], [0, 2]])


def at(*x: float) -> np.ndarray:
    return np.array([[[v, 0.0, 0.0] for v in x]])


def test_known_overlaps():
    np.testing.assert_allclose(self_penetration(at(0, 0.025, 0.1), RADIUS, PAIRS), [0.5], rtol=1e-9)
    np.testing.assert_allclose(self_penetration(at(0, 0.025, 0.005), RADIUS, PAIRS), [1.0], rtol=1e-9)
    assert self_penetration(at(0, 0.03, 0.1), RADIUS, PAIRS)[0] < 1e-12  # they just touch
    # spheres 1 and 2 are no pair
    np.testing.assert_array_equal(self_penetration(at(0, 0.5, 0.5), RADIUS, PAIRS), [0.0])


def test_rows_that_are_not_finite():
    rows = np.concatenate([at(0, np.nan, 1), at(0, 0.025, 1), at(np.inf, 0, 1)])
    np.testing.assert_allclose(self_penetration(rows, RADIUS, PAIRS), [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(
        self_penetration(rows, RADIUS, np.zeros((0, 2), np.int64)), [np.nan, 0, np.nan]
    )


def test_an_open_hand_is_clear_of_itself_and_a_crossed_one_is_not():
    model = hand()
    pose = np.array([[0.0, 0, 0, 1, 0, 0, 0]])
    crossed = model.open_joints.copy()
    for name, angle in (("index_spread", 0.35), ("middle_spread", -0.17)):
        crossed[model.active_names.index(name)] = angle
    centres = [posed_spheres(model, pose, q[None]) for q in (model.open_joints, crossed)]
    clear, deep = (self_penetration(c, model.sphere_radius, model.sphere_pairs)[0] for c in centres)
    assert clear == 0.0
    assert deep > 0.3


def test_against_a_loop_over_pairs():
    model = hand()
    pose, joints = grasps(sphere(0.03, level=2), 4)
    centres = posed_spheres(model, pose, joints)
    want = [
        100 * max(0.0, *(model.sphere_radius[i] + model.sphere_radius[j] - np.linalg.norm(c[i] - c[j])
                         for i, j in model.sphere_pairs))
        for c in centres
    ]  # fmt: skip
    np.testing.assert_allclose(
        self_penetration(centres, model.sphere_radius, model.sphere_pairs), want, rtol=1e-9, atol=1e-12
    )
