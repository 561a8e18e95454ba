"""dE/dG written out by hand against automatic and numeric differentiation of the same energies."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.refine.things import grasp_on, shape
from zdg_jax.hands import HAND_NAMES, load_hand
from zdg_jax.refine import RefineConfig
from zdg_jax.refine import objective as ob
from zdg_jax.refine.batch import stack
from zdg_jax.refine.frames import to_field
from zdg_jax.refine.objective import Variables
from zdg_jax.refine.problem import build_problem
from zdg_jax.refine.starts import jittered
from zdg_jax.refine.targets import Tables, Targets


@cache
def target(hand_name: str) -> tuple[Tables, Targets]:
    """One task on the box and its tables."""
    problem = build_problem(load_hand(hand_name), shape("box"), grasp_on(shape("box")), RefineConfig())
    tables, targets = stack([problem], 1, brute=False)
    return tables, jax.tree.map(lambda x: x[0], targets)


@cache
def functions(hand_name: str):
    """Compiled: v -> ((total energy, its seven terms), automatic gradient); v -> hand-written gradient."""
    hand = load_hand(hand_name)

    def pushed(v: Variables, tables: Tables, target: Targets):
        at = ob.kinematics(hand, v)
        return at, ob.push(hand, tables, target, at.links)

    def total(v: Variables, tables: Tables, target: Targets):
        terms = ob.all_terms(hand, v, pushed(v, tables, target)[1])
        return jnp.sum(target.weights * terms), terms

    def gradient(v: Variables, tables: Tables, target: Targets):
        return ob.gradient(hand, v, *pushed(v, tables, target), target.weights)

    return jax.jit(jax.value_and_grad(total, has_aux=True)), jax.jit(gradient)


def starts(hand_name: str, num: int = 6) -> list[Variables]:
    """Around the grasp: outside the box, touching it and in it, with joints beyond their limits too."""
    hand, obj = load_hand(hand_name), shape("box")
    initial = grasp_on(obj).initial
    assert initial is not None
    pose, joints = jittered(hand, initial, num, 0, RefineConfig())
    pose[:, 1] -= np.linspace(0.0, 0.04, num)
    joints = np.clip(joints, hand.lower + 0.02, hand.upper - 0.02)  # E_pip has its kink at a limit
    joints[num // 2] += 0.3
    pose = to_field(obj.field.R_field_obj, pose)
    pose[:, 3:] *= np.linspace(0.5, 2.0, num)[:, None]  # a quaternion of any length means a rotation
    return [
        ob.to_variables(jnp.asarray(p, jnp.float32), jnp.asarray(q, jnp.float32))
        for p, q in zip(pose, joints, strict=True)
    ]


@pytest.mark.parametrize("name", HAND_NAMES)
def test_gradient_is_the_automatic_one(name: str) -> None:
    """Up to rounding: 2048 probes and a thousand vertices are summed in other orders."""
    total, gradient = functions(name)
    for v in starts(name):
        _, want = total(v, *target(name))
        got = gradient(v, *target(name))
        for mine, auto in zip(got, want, strict=True):
            np.testing.assert_allclose(mine, auto, rtol=1e-3, atol=2e-4 * float(jnp.abs(auto).max()))


def test_gradient_is_the_slope() -> None:
    """Along random directions by central differences, so short that they step over few cells' borders.

    Without E_fc: its normals are held constant in the gradient, as in DexGraspNet.
    """
    total, gradient = functions("human16")
    tables, one = target("human16")
    one = one._replace(weights=one.weights.at[5].set(0.0))
    rng = np.random.default_rng(0)
    h = 1e-5
    for v in starts("human16"):
        slope = gradient(v, tables, one)
        d = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), v)
        ahead, behind = (
            float(total(jax.tree.map(lambda x, u: x + s * u, v, d), tables, one)[0][0])  # noqa: B023
            for s in (h, -h)
        )
        want = (ahead - behind) / (2 * h)
        got = sum(float(jnp.sum(a * b)) for a, b in zip(slope, d, strict=True))
        scale = sum(float(jnp.sum(jnp.abs(a * b))) for a, b in zip(slope, d, strict=True))
        assert abs(got - want) < 0.01 * scale


@pytest.mark.parametrize("name", HAND_NAMES)
def test_energies_are_finite_far_away_and_deep_inside(name: str) -> None:
    hand = load_hand(name)
    total, _ = functions(name)
    for x in (0.0, 0.03, 5.0):
        pose = jnp.asarray([x, 0, 0, 1.0, 0, 0, 0], jnp.float32)
        v = ob.to_variables(pose, jnp.zeros(len(hand.active_names)))
        (energy, _), grad = total(v, *target(name))
        assert np.isfinite(energy)
        assert all(np.isfinite(g).all() for g in grad)
        np.testing.assert_allclose(ob.to_pose(v), pose, atol=1e-6)


def test_weights_scale_their_terms_alone() -> None:
    """E(2 lambda) = 2 E(lambda), and one lambda counts one term."""
    tables, one = target("human16")
    v = starts("human16")[3]
    total, _ = functions("human16")
    (_, terms), _ = total(v, tables, one)
    for k in range(7):
        only = one._replace(weights=jnp.zeros(7).at[k].set(2.0))
        assert float(total(v, tables, only)[0][0]) == pytest.approx(2.0 * float(terms[k]), rel=1e-5, abs=1e-7)
