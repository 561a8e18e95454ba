"""Each energy: finite gradients at contact and at zero, invariances, known values, pairwise reference."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.load import load_hand
from zdg_jax.pose import IDENTITY
from zdg_jax.refine import energies as en
from zdg_jax.refine.variables import self_collision_spheres

RNG = np.random.default_rng(0)


def _f32(x) -> jnp.ndarray:
    return jnp.asarray(x, jnp.float32)


def _parts(x) -> tuple:
    """[n, 3] to three components."""
    return x[:, 0], x[:, 1], x[:, 2]


def _skin(**given) -> en.SkinDistances:
    """Twenty vertices, or as many as are given, that count for nothing but what is given."""
    n = len(next(x for x in given.values() if jnp.ndim(x)))
    names = ("phi", "to_hand", "to_func", "prior", "mask", "mean_func", "mean_rest", "mean_all")
    return en.SkinDistances(**{**dict.fromkeys(names, jnp.zeros(n)), "tolerance": jnp.zeros(()), **given})


def _joints(angle) -> en.Joints:
    one = jnp.ones_like(angle)
    return en.Joints(angle, -one, one, one, angle[None] - 0.5, one[None])


def _closure(p, n, phi) -> jnp.ndarray:
    """E_fc of pads at p, [n, 3], with normals n, phi from the surface."""
    phi = _f32(phi)
    one, nowhere = jnp.ones_like(phi), jnp.full_like(phi, jnp.inf)
    return en.force_closure(
        en.Fingertips(_parts(_f32(p)), _parts(_f32(n)), phi, one, _parts(_f32(p)), nowhere)
    )


def _at_points(p, target, reach) -> jnp.ndarray:
    """E_point of pads at p, [n, 3]."""
    one = jnp.ones(len(p))
    return en.key_points(en.Fingertips(_parts(p), _parts(p), one, one, _parts(_f32(target)), _f32(reach)))


def _cases() -> dict:
    """Energy name -> (function of one array, a generic argument, the argument at contact or zero)."""
    prior, share = _f32(RNG.uniform(size=20)), _f32(RNG.uniform(size=20) / 20)
    reach = _f32(np.where(np.triu(RNG.uniform(size=(12, 12)) < 0.5, 1), 0.03, -1.0))
    n_pad = RNG.normal(size=(5, 3))
    n_pad = n_pad / np.linalg.norm(n_pad, axis=1, keepdims=True)
    d = _f32(RNG.uniform(0, 0.03, size=20))
    depth = _f32(RNG.uniform(0.001, 0.015, size=20) * RNG.choice([-1, 1], size=20))  # away from the kink
    gap = _f32(RNG.uniform(0.01, 0.05, size=(12, 12)))
    pads, nowhere = _f32(RNG.normal(size=(5, 3)) * 0.05), jnp.zeros((5, 3))
    none = jnp.zeros(20)
    return {
        "contact_func": (
            lambda x: en.contact_func(_skin(to_func=x, prior=prior, mean_func=share)),
            d,
            none,
        ),
        "contact_rest": (
            lambda x: en.contact_rest(_skin(to_hand=x, prior=prior, mean_rest=share)),
            d,
            none,
        ),
        "contact_map": (
            lambda x: en.contact_map(_skin(to_hand=x, to_func=x, prior=prior, mean_all=share)),
            d,
            none,
        ),
        "skin_penetration": (lambda x: en.skin_penetration(_skin(phi=x, mask=share)), depth, none),
        "sample_penetration": (
            lambda x: en.sample_penetration(en.ObjectSamples(x, share, jnp.zeros(()))),
            depth,
            none,
        ),
        "self_penetration": (
            lambda x: en.self_penetration(en.SphereGaps(x, reach)),
            gap,
            jnp.zeros((12, 12)),
        ),
        "force_closure": (lambda x: _closure(x, n_pad, jnp.zeros(5)), pads, nowhere),
        "force_closure_by_distance": (lambda x: _closure(pads, n_pad, x), d[:5], jnp.zeros(5)),
        "key_points": (lambda x: _at_points(x, n_pad, np.full(5, 0.01)), pads, _f32(n_pad)),
        "joint_limits": (
            lambda x: en.joint_limits(_joints(x)),
            _f32(RNG.normal(size=6) * 2),
            jnp.zeros(6),
        ),
    }


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_finite_and_non_negative(name: str) -> None:
    energy, generic, edge = CASES[name]
    for x in (generic, edge):
        value, grad = jax.value_and_grad(energy)(x)
        assert np.isfinite(value)
        assert value >= 0
        assert np.isfinite(grad).all()


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_slope(name: str) -> None:
    energy, x, _ = CASES[name]
    grad = jax.grad(energy)(x)
    direction = _f32(np.random.default_rng(3).normal(size=x.shape))
    h = 1e-4
    numeric = (energy(x + h * direction) - energy(x - h * direction)) / (2 * h)
    scale = float(jnp.sum(jnp.abs(grad * direction))) + 1e-3
    assert abs(float(jnp.sum(grad * direction)) - float(numeric)) < 0.03 * scale


def test_contact_is_eq_6_in_pairwise_form() -> None:
    """(1/n) sum_j C_j min_i |V_j - P_i| over the functional vertices."""
    v, p = RNG.normal(size=(30, 3)), RNG.normal(size=(50, 3))
    prior, member = RNG.uniform(size=30), RNG.uniform(size=30) < 0.4
    pairwise = np.linalg.norm(v[:, None] - p[None], axis=2).min(axis=1)
    want = (prior * pairwise)[member].sum() / member.sum()
    share = _f32(member / member.sum())
    got = en.contact_func(_skin(to_func=_f32(pairwise), prior=_f32(prior), mean_func=share))
    assert float(got) == pytest.approx(want, rel=1e-5)


def test_key_points_draw_pads_that_are_too_far_alone_and_turn_with_the_world() -> None:
    target, reach = RNG.normal(size=(4, 3)), np.array([0.01, 0.01, 0.01, np.inf])
    away = np.array([[0.05, 0, 0], [0, 0.008, 0], [0, 0, 0], [0, 0, 3.0]])  # too far, near, there, not asked
    assert float(_at_points(_f32(target + away), target, reach)) == pytest.approx(0.04, rel=1e-4)
    slope = np.asarray(jax.grad(lambda p: _at_points(p, target, reach))(_f32(target + away)))
    np.testing.assert_allclose(slope, [[1, 0, 0], *np.zeros((3, 3))], atol=1e-4)
    R, t = Rotation.from_rotvec([0.4, 1.0, -0.3]), np.array([0.3, -0.2, 0.5])
    turned = float(_at_points(_f32(R.apply(target + away) + t), R.apply(target) + t, reach))
    assert turned == pytest.approx(0.04, rel=1e-4)


def test_contact_map_known_values() -> None:
    """c(0) = 1, c(1 cm) = 2 (1 - sigmoid(2)), c(far) = 0."""
    at = lambda d: float(en.contact_map(_skin(to_hand=_f32([d]), mean_all=_f32([1.0])))) ** 0.5  # noqa: E731
    assert at(0.0) == pytest.approx(1.0)
    assert at(0.01) == pytest.approx(2 * (1 - 1 / (1 + np.exp(-2.0))), rel=1e-4)
    assert at(1.0) == pytest.approx(0.0, abs=1e-6)


def test_force_closure_is_least_for_opposed_pads_and_invariant() -> None:
    p, n = np.array([[0.02, 0, 0], [-0.02, 0, 0]]), np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    R, t = Rotation.from_rotvec([0.4, 1.0, -0.3]).as_matrix(), np.array([0.3, -0.2, 0.5])
    closure = lambda p, n: float(_closure(p, n, np.zeros(len(p))))  # noqa: E731
    e = en.LEAST_CONTACT
    assert closure(p, n) == pytest.approx(e / (4 + e), rel=1e-5)
    assert closure(p[:1], n[:1]) == pytest.approx(1.0, rel=1e-5)
    q, m = RNG.normal(size=(4, 3)) * 0.05, RNG.normal(size=(4, 3))
    assert closure(q @ R.T + t, m @ R.T) == pytest.approx(closure(q, m), rel=1e-3)
    assert closure(q, m) > closure(p, n)


def test_force_closure_never_rewards_pads_for_leaving() -> None:
    """From the surface outwards E_fc of one pad, and of two that oppose, rises to 1 and stays finite."""
    p, n = np.array([[0.02, 0, 0], [-0.02, 0, 0]]), np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    both = [float(_closure(p, n, [d, d])) for d in (0.0, 0.008, 0.015, 0.026, 0.037, 1.0)]
    assert both == sorted(both)
    assert both[-1] == pytest.approx(1.0, abs=1e-6)
    slope = jax.grad(lambda d: _closure(p, n, d))(jnp.ones(2))
    assert np.isfinite(slope).all()


def test_pads_that_do_not_touch_count_for_nothing() -> None:
    p, n = RNG.normal(size=(3, 3)) * 0.05, RNG.normal(size=(3, 3))
    two, three = _closure(p[:2], n[:2], np.zeros(2)), _closure(p, n, [0.0, 0.0, 1.0])
    assert float(three) == pytest.approx(float(two), rel=1e-5)


def test_self_penetration_of_two_spheres_counts_once() -> None:
    """Both stand in the table; 5 mm of overlap are half a unit."""
    reach = _f32([[-1.0, 0.02], [0.02, -1.0]])
    at = lambda x: float(  # noqa: E731
        en.self_penetration(en.SphereGaps(_f32([[0.0, x], [x, 0.0]]), reach))
    )
    assert at(0.015) == pytest.approx(2.5, rel=1e-4)
    assert at(0.03) == 0.0


def test_skin_may_give_way_by_the_tolerance() -> None:
    phi = _f32([-0.001, -0.003, 0.01])
    deep = lambda t, w=1.0: float(  # noqa: E731
        en.skin_penetration(_skin(phi=phi, mask=w * jnp.ones(3), tolerance=_f32(t)))
    )
    assert deep(0.0) == pytest.approx(0.004, rel=1e-5)
    assert deep(0.002) == pytest.approx(0.001, rel=1e-5)
    assert deep(0.0, 3.0) == pytest.approx(0.012, rel=1e-5)


def test_e_spen_sees_what_the_whole_set_of_spheres_sees() -> None:
    """It takes some of them: whichever pair overlaps by over 2 mm, it sees, and mostly half of it or more."""
    hand, rng = load_hand("human16"), np.random.default_rng(0)
    few = self_collision_spheres(hand)
    a, b = hand.sphere_pairs.T
    chosen = np.isin(a, few) & np.isin(b, few)
    seen = []
    for q in rng.uniform(hand.lower, hand.upper, (60, len(hand.lower))):
        p = posed(hand, IDENTITY, q, "sphere")
        overlap = hand.sphere_radius[a] + hand.sphere_radius[b] - np.linalg.norm(p[a] - p[b], axis=1)
        if overlap.max() > 0.002:
            seen.append(overlap[chosen].max() / overlap.max())
    assert len(seen) > 15
    assert min(seen) > 0.0
    assert np.mean(np.array(seen) > 0.5) > 0.8
