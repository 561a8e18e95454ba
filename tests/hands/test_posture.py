"""What joints allow each other: the card's limits, and E_post of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zdg_jax.errors import UserError
from zdg_jax.hands import HAND_NAMES, load_hand
from zdg_jax.hands.model import Posture, posture_of, posture_rows
from zdg_jax.refine.energies import posture
from zdg_jax.refine.objective import joints
from zdg_jax.refine.variables import Variables

RNG = np.random.default_rng(0)


def _variables(q: np.ndarray) -> Variables:
    return Variables(jnp.zeros(3), jnp.array([1.0, 0.0, 0.0, 0.0]), jnp.asarray(q, jnp.float32))


@pytest.mark.parametrize("name", HAND_NAMES)
def test_energy_and_gradient_are_those_of_the_plain_sum(name: str) -> None:
    hand = load_hand(name)
    assert len(hand.posture.bound) > 0
    limits = hand.posture

    def plain(q: jax.Array) -> jax.Array:
        sums = (q[limits.joint] * limits.share).sum(axis=1) - limits.bound
        return jax.nn.relu(sums).sum()

    for _ in range(20):
        q = RNG.uniform(hand.lower - 0.3, hand.upper + 0.3)
        energy, slope = jax.value_and_grad(lambda v: posture(joints(hand, v)))(_variables(q))
        want, want_slope = jax.value_and_grad(plain)(jnp.asarray(q, jnp.float32))
        np.testing.assert_allclose(energy, want, rtol=1e-5)
        np.testing.assert_allclose(slope.joints, want_slope, atol=1e-5)
        np.testing.assert_allclose(np.maximum(limits.excess(q[None]), 0).sum(), want, rtol=1e-5)


@pytest.mark.parametrize("name", HAND_NAMES)
def test_every_grasp_type_is_a_natural_posture(name: str) -> None:
    hand = load_hand(name)
    for kind, of in hand.grasp_types.items():
        assert np.rad2deg(hand.posture.excess(of.joints[None]).max()) < 5.0, kind
    assert np.rad2deg(hand.posture.excess(hand.open_joints[None]).max()) <= 1e-9


def test_a_hand_without_limits_has_none() -> None:
    rows = posture_rows(Posture(), 3)
    assert rows.weight.shape == (1, 3)
    assert not rows.weight.any()
    assert Posture().excess(np.zeros((2, 3))).shape == (2, 0)


@pytest.mark.parametrize("shares", [{"elbow": 1.0}, {}, {"a": 1.0, "b": 1.0, "c": 1.0}])
def test_a_limit_on_other_than_one_or_two_joints_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(UserError, match="posture"):
        posture_of([(10.0, shares)], ("a", "b", "c"), "claw")
