"""How the hand presses."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

from sim_eval.select import squeeze
from sim_eval.select.squeeze import ARM, FRICTION, balanced_torque, rule_torque, squeeze_targets
from tests.sim_eval.select.things import around, field, held

EDGES = 48


def _problem(seed: int, contacts: int = 8, active: int = 10):
    rng = np.random.default_rng(seed)
    p = 0.04 * rng.normal(size=(contacts, 3))
    inward = rng.normal(size=(contacts, 3))
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    jacobian = 0.05 * rng.normal(size=(contacts, 3, active))
    return p, inward, jacobian, np.ones(contacts, bool), 0.3 * rng.normal(size=active)


def _matrix(p: np.ndarray, jacobian: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[A | b] of the least squares, forces [contacts * 3] as unknowns."""
    arm = p - p.mean(axis=0)
    blocks = []
    for r, J in zip(arm, jacobian, strict=True):
        cross = np.array([[0, -r[2], r[1]], [r[2], 0, -r[0]], [-r[1], r[0], 0]]) / ARM
        blocks.append(np.concatenate([3.0 * np.eye(3), 3.0 * cross, 10.0 * J.T]))
    A = np.concatenate(blocks, axis=1)
    A = np.concatenate([A, 0.01 * np.eye(A.shape[1])])
    return A, np.concatenate([np.zeros(6), 10.0 * wanted, np.zeros(3 * len(p))])


def _edges(n: np.ndarray) -> np.ndarray:
    t = np.cross(n, np.eye(3)[np.abs(n).argmin()])
    t /= np.linalg.norm(t)
    angle = 2 * np.pi * np.arange(EDGES)[:, None] / EDGES
    return n + FRICTION * (np.cos(angle) * t + np.sin(angle) * np.cross(n, t))


@pytest.mark.parametrize("seed", range(6))
def test_the_forces_are_in_their_cones_and_as_good_as_scipy_finds(seed: int) -> None:
    """scipy's active-set solver on cones of 48 edges, which lie inside the round ones."""
    p, inward, jacobian, used, wanted = _problem(seed)
    floats = (jnp.asarray(x, jnp.float32) for x in (p, inward, jacobian))
    f = np.asarray(squeeze._balance(*floats, jnp.asarray(used), jnp.asarray(wanted, jnp.float32)), np.float64)
    normal = (f * inward).sum(axis=1)
    tangent = np.linalg.norm(f - normal[:, None] * inward, axis=1)
    assert (tangent <= FRICTION * normal + 1e-4).all()
    A, b = _matrix(p, jacobian, wanted)
    E = np.zeros((3 * len(p), EDGES * len(p)))
    for c, n in enumerate(inward):
        E[3 * c : 3 * c + 3, EDGES * c : EDGES * (c + 1)] = _edges(n).T
    alpha, residual = nnls(A @ E, b)
    assert np.linalg.norm(A @ f.ravel() - b) <= 1.02 * residual + 1e-4
    assert alpha.max() > 0


def test_a_slot_that_is_not_used_presses_nothing() -> None:
    p, inward, jacobian, used, wanted = _problem(0)
    used[5:] = False
    floats = (jnp.asarray(x, jnp.float32) for x in (p, inward, jacobian))
    f = np.asarray(squeeze._balance(*floats, jnp.asarray(used), jnp.asarray(wanted, jnp.float32)))
    assert not f[5:].any()
    assert f[:5].any()


def test_torques_wanted_that_balance_already_come_back() -> None:
    """Two contacts opposite each other, each pressed by a joint of its own: nothing has to change."""
    p = np.array([[0.02, 0, 0], [-0.02, 0, 0]])
    inward = -p / 0.02
    jacobian = np.zeros((2, 3, 2))
    jacobian[0, 0, 0], jacobian[1, 0, 1] = -0.05, 0.05
    wanted = np.array([0.5, 0.5])
    floats = (jnp.asarray(x, jnp.float32) for x in (p, inward, jacobian))
    f = np.asarray(squeeze._balance(*floats, jnp.ones(2, bool), jnp.asarray(wanted, jnp.float32)))
    np.testing.assert_allclose(np.einsum("ci,cia->a", f, jacobian), wanted, rtol=2e-2)
    np.testing.assert_allclose(f.sum(axis=0), 0.0, atol=1e-2)


@pytest.mark.parametrize("hand_name", ["human16", pytest.param("shadow", marks=pytest.mark.slow)])
def test_a_power_grasp_is_balanced_and_its_targets_are_reachable(hand_name: str) -> None:
    hand, pose, joints = held("rod", 3, hand_name)
    rule = rule_torque(hand, joints)
    torque, reach, residual = balanced_torque(hand, field("rod"), pose, joints, rule)
    assert np.isfinite(torque).all()
    assert (residual < 0.2).any()
    assert np.abs(reach).max() < 0.1  # 0.1 mm away
    targets = squeeze_targets(hand, joints, torque)
    assert (targets >= hand.lower - 1e-9).all()
    assert (targets <= hand.upper + 1e-9).all()
    pull = hand.servo_kp * (targets - joints) @ hand.transmission.T
    assert (np.abs(pull) <= hand.servo_torque + 1e-6).all()


def test_a_hand_that_touches_nothing_keeps_the_rule() -> None:
    hand, pose, joints = around("rod", 1)
    pose[:, 1] += 0.5
    rule = rule_torque(hand, joints)
    torque, reach, residual = balanced_torque(hand, field("rod"), pose, joints, rule)
    np.testing.assert_array_equal(torque, rule)
    assert not reach.any()
    assert np.isinf(residual).all()


def test_the_way_to_the_touch_is_gap_over_lever_and_what_presses_nothing_has_no_say() -> None:
    """Two joints with levers of 8 cm, 2 mm and 5 mm off the surface; the second contact presses nothing."""
    jacobian = np.zeros((1, 2, 3, 2))
    jacobian[0, 0, 0, 0] = jacobian[0, 1, 0, 1] = 0.08
    inward = np.tile([1.0, 0.0, 0.0], (1, 2, 1))
    gap = np.array([[0.002, 0.005]])
    both = squeeze._to_touch(jacobian, inward, gap, np.array([[3.0, 3.0]]))
    np.testing.assert_allclose(both[0], gap[0] / 0.08, rtol=2e-2)
    one = squeeze._to_touch(jacobian, inward, gap, np.array([[3.0, 0.0]]))
    np.testing.assert_allclose(one[0], [0.002 / 0.08, 0.0], rtol=2e-2)
