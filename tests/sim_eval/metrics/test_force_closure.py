"""Friction cones, the LP and Ferrari-Canny's ε where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial.transform import Rotation

from sim_eval.metrics.force_closure import (
    cone_wrenches,
    ferrari_canny,
    link_contacts,
    min_weight,
    quality,
)

AXES = np.concatenate([np.eye(3), -np.eye(3)])


def planar(points: np.ndarray, inward: np.ndarray, friction: float) -> np.ndarray:
    """Two cone edges a contact in the plane: (f_x, f_y, τ_z) about the origin; exact, no linearisation."""
    across = np.stack([-inward[:, 1], inward[:, 0]], axis=1)
    force = np.concatenate([inward + friction * across, inward - friction * across])
    torque = np.tile(points[:, 0], 2) * force[:, 1] - np.tile(points[:, 1], 2) * force[:, 0]
    return np.column_stack([force, torque])


@pytest.mark.parametrize("friction", [0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize(("share", "closed"), [(0.0, True), (0.99, True), (1.01, False), (1.5, False)])
def test_two_planar_contacts_close_up_to_the_cones_angle(friction, share, closed):
    """Nguyen 1988: two contacts close if and only if the line between them lies in both cones."""
    tilt = share * np.arctan(friction)
    inward = np.array([[np.cos(tilt), np.sin(tilt)], [-np.cos(tilt), np.sin(tilt)]])
    wrenches = planar(np.array([[-1.0, 0.0], [1.0, 0.0]]), inward, friction)
    found = quality(wrenches)
    assert found.closure is closed
    assert (found.epsilon > 0) is closed
    assert (ferrari_canny(wrenches) > 1e-12) is closed


@pytest.mark.parametrize(("spread", "closed"), [(120.0, True), (100.0, True), (80.0, False)])
def test_three_planar_fingers_on_a_disc(spread, closed):
    """Their forces balance only if no half of the disc holds all three."""
    angle = np.deg2rad([0.0, spread, -spread])
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert quality(planar(points, -points, 0.05)).closure is closed


def test_without_friction_a_disc_can_be_turned():
    points = np.array([[np.cos(a), np.sin(a)] for a in np.deg2rad([0, 120, 240])])
    assert not quality(planar(points, -points, 0.0)).closure


def test_two_points_in_space_never_close():
    """Nothing resists a turn about the line between two hard points."""
    points = np.array([[0.03, 0, 0], [-0.03, 0, 0]])
    wrenches = cone_wrenches(points, -points / 0.03, np.zeros(3), 0.03, friction=1.0)
    assert np.linalg.matrix_rank(wrenches) == 5
    assert quality(wrenches) == quality(wrenches[:0].reshape(0, 6))
    assert not quality(wrenches).closure


def test_epsilon_of_a_cross_polytope_and_a_moved_one():
    wrenches = np.concatenate([np.eye(6), -np.eye(6)])
    np.testing.assert_allclose(ferrari_canny(wrenches), 1 / np.sqrt(6), rtol=1e-9)
    np.testing.assert_allclose(min_weight(wrenches), 1.0, rtol=1e-6)
    outside = wrenches + 2 * np.eye(6)[0]
    assert ferrari_canny(outside) == 0.0
    assert min_weight(outside) == 0.0


@pytest.mark.parametrize("friction", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("radius", [0.02, 0.07])
def test_a_ball_held_at_its_six_poles(friction, radius):
    """With four edges along the axes a pure torque is the weakest wrench: ε = μ/√3 for ρ = radius."""
    wrenches = cone_wrenches(radius * AXES, -AXES, np.zeros(3), radius, friction, edges=4)
    found = quality(wrenches)
    assert found.closure
    np.testing.assert_allclose(found.epsilon, friction / np.sqrt(3), rtol=1e-2)


def test_more_edges_approach_the_cone_from_inside():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    values = [ferrari_canny(cone_wrenches(points, -points, np.zeros(3), 1.0, 0.6, k)) for k in (4, 8, 16, 32)]
    assert values[0] <= values[1] <= values[2] <= values[3]
    np.testing.assert_allclose(values[2], values[3], rtol=0.05)


def test_every_edge_lies_on_the_cone():
    rng = np.random.default_rng(1)
    normal = rng.normal(size=(20, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    force = cone_wrenches(rng.normal(size=(20, 3)), normal, np.zeros(3), 1.0, 0.7)[:, :3].reshape(8, 20, 3)
    np.testing.assert_allclose((force * normal).sum(-1), 1.0)
    np.testing.assert_allclose(np.linalg.norm(force - normal, axis=-1), 0.7)


def test_epsilon_against_linear_programs():
    """An independent judge: along any direction the hull reaches at least ε, and along the weakest just ε."""
    rng = np.random.default_rng(2)
    for _ in range(3):
        points = rng.normal(size=(5, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        wrenches = cone_wrenches(points, -points, points.mean(axis=0), 1.0)
        found = quality(wrenches)
        directions = rng.normal(size=(40, 6))
        reach = [longest(wrenches, d / np.linalg.norm(d)) for d in directions]
        assert min(reach) >= found.epsilon - 1e-9
        assert found.closure == (found.epsilon > 0)


def longest(wrenches: np.ndarray, direction: np.ndarray) -> float:
    """max t so that t d is a convex combination of the wrenches."""
    n = len(wrenches)
    equal = np.vstack([np.column_stack([wrenches.T, -direction]), np.r_[np.ones(n), 0.0]])
    found = linprog(np.r_[np.zeros(n), -1.0], A_eq=equal, b_eq=np.r_[np.zeros(6), 1.0], bounds=(0, None))
    return float(found.x[-1]) if found.status == 0 else 0.0


def test_turning_moving_and_scaling_change_nothing():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(6, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    R, t = Rotation.from_rotvec([0.4, -0.9, 1.3]).as_matrix(), np.array([0.3, 2.0, -1.0])
    # many edges: the pyramid's phase does not turn with the object
    before = quality(cone_wrenches(points, -points, np.zeros(3), 1.0, edges=32))
    after = quality(cone_wrenches(3 * points @ R.T + t, -points @ R.T, t, 3.0, edges=32))
    np.testing.assert_allclose(after.epsilon, before.epsilon, rtol=0.02)
    assert before.closure
    assert after.closure


def test_contacts_by_link():
    near = np.array([True, True, True, False, True, True])
    link = np.array([0, 0, 1, 1, 2, 2])
    p = np.arange(18.0).reshape(6, 3)
    n = np.array([[0, 0, 1.0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, -1, 0]])
    points, inward = link_contacts(near, link, p, n)
    np.testing.assert_allclose(points, [p[:2].mean(axis=0), p[2]])  # link 2's normals cancel
    np.testing.assert_allclose(inward, [[0, 0, -1], [-1, 0, 0]])
    none, _ = link_contacts(np.zeros(6, bool), link, p, n)
    assert not quality(cone_wrenches(none, none, np.zeros(3), 1.0)).closure
