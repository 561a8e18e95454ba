"""dE/dv of eq. 8: against plain autodiff, against differences in double precision, and its laws."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.refine.things import grasp_on, shape
from zdg_jax.hands import HAND_NAMES, HandModel, load_hand
from zdg_jax.objects.sdf.query import entry_reader, locate, regions, row_reader, signed
from zdg_jax.refine import TERMS, RefineConfig, seams
from zdg_jax.refine import objective as ob
from zdg_jax.refine.batching import stack
from zdg_jax.refine.energies import (
    Fingertips,
    ObjectSamples,
    Readings,
    SkinDistances,
    SphereGaps,
    all_terms,
)
from zdg_jax.refine.objective import NORMAL_STEP, nearest_spheres
from zdg_jax.refine.optimize import gradients
from zdg_jax.refine.problem import Tables, Targets, build_problem, of_start
from zdg_jax.refine.starts import jittered
from zdg_jax.refine.variables import Variables, kinematics, layout, place_all, to_field, to_pose, to_variables

EACH_HAND = [pytest.param(n, marks=pytest.mark.slow) if n == "shadow" else n for n in HAND_NAMES]


@cache
def stacked(hand_name: str) -> tuple[Tables, Targets]:
    """A batch of one task on the box."""
    problem = build_problem(load_hand(hand_name), shape("box"), grasp_on(shape("box")), RefineConfig())
    return stack([problem], 1)


def target(hand_name: str) -> tuple[Tables, Targets]:
    """Its tables, and what one start of it is refined against."""
    tables, targets = stacked(hand_name)
    one = jax.tree.map(lambda x: x[0], targets)
    return tables, of_start(one, one.kind)


@cache
def functions(hand_name: str):
    """Compiled: v -> (E, its terms); v -> dE/dv; v -> (E, dE/dv) of plain autodiff, which knows no seam."""
    hand = load_hand(hand_name)

    def total(v: Variables, tables: Tables, target: Targets):
        terms = ob.terms(hand, tables, target, v, kinematics(hand, v))
        return jnp.sum(target.weights * terms), terms

    def gradient(v: Variables, tables: Tables, target: Targets):
        return ob.gradient(hand, tables, target, v)

    def plain(v: Variables, tables: Tables, target: Targets):
        return jnp.sum(target.weights * all_terms(plain_readings(hand, tables, target, v)))

    return jax.jit(total), jax.jit(gradient), jax.jit(jax.value_and_grad(plain))


def plain_readings(hand: HandModel, tables: Tables, target: Targets, v: Variables) -> Readings:
    """What `objective.readings` measures, in plain JAX: through kinematics, look-ups, gathers and roots."""
    body, (prior, tolerance) = layout(hand), (target.prior, target.tolerance)
    points = place_all(kinematics(hand, v).links, body.placing)
    skin, sphere, pad = jnp.split(points, np.cumsum(body.counts)[:-1], axis=1)

    def phi(x: jnp.ndarray) -> jnp.ndarray:
        at = locate(target.grid, (x[0], x[1], x[2]))
        return signed(target.grid, entry_reader(tables.entries), row_reader(tables.rows), at)[0]

    at = locate(target.grid, tuple(skin))
    (to_hand, _), (to_func, _) = regions(target.grid, row_reader(tables.regions), at)
    few = sphere[:, : len(body.min_distance)]
    away = few[:, :, None] - few[:, None, :]
    gap = jnp.sqrt(jnp.maximum(jnp.sum(away * away, axis=0), 1e-10))
    sample = jnp.transpose(target.object_samples, (1, 0, 2)).reshape(3, -1)
    # which of two spheres that reach equally far is taken is a choice, not a derivative
    fixed = jax.lax.stop_gradient(sphere)
    nearest = nearest_spheres(tuple(sample), tuple(fixed), jnp.asarray(body.radius))
    psi = jnp.linalg.norm(sphere[:, nearest] - sample, axis=0) - jnp.asarray(body.radius)[nearest]
    step = NORMAL_STEP * jnp.eye(3)
    normal = jnp.stack([phi(pad + s[:, None]) - phi(pad - s[:, None]) for s in step])
    normal /= jnp.maximum(jnp.linalg.norm(normal, axis=0, keepdims=True), 1e-9 * NORMAL_STEP)
    means = (jnp.asarray(m) for m in body.mean_weight)
    weight = target.sample_weight / len(target.object_samples) * jnp.ones_like(psi)
    return Readings(
        SkinDistances(phi(skin), to_hand, to_func, prior, jnp.ones_like(prior), *means, tolerance),
        SphereGaps(gap, jnp.asarray(body.min_distance)),
        ObjectSamples(psi, weight, tolerance),
        Fingertips(
            tuple(pad),
            tuple(normal),
            phi(pad),
            jnp.ones_like(pad[0]),
            tuple(target.key_points[:3]),
            target.key_points[3],
        ),
        ob.joints(hand, v),
    )


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
        to_variables(jnp.asarray(p, jnp.float32), jnp.asarray(q, jnp.float32))
        for p, q in zip(pose, joints, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH_HAND)
def test_gradient_with_seams_is_that_of_plain_autodiff(name: str) -> None:
    """Up to rounding: thousands of numbers are summed in another order."""
    total, gradient, plain = functions(name)
    for v in starts(name):
        energy, want = plain(v, *target(name))
        assert float(total(v, *target(name))[0]) == pytest.approx(float(energy), rel=1e-5)
        got = gradient(v, *target(name))
        for mine, auto in zip(got, want, strict=True):
            np.testing.assert_allclose(mine, auto, rtol=1e-3, atol=2e-4 * float(jnp.abs(auto).max()))


@pytest.mark.slow
def test_gradient_is_that_of_central_differences_in_double_precision() -> None:
    """In a process of its own: what JAX has traced in single precision would be taken again."""
    here = "from tests.refine.test_objective import errors_in_double_precision as e; print(*e())"
    env = {**os.environ, "JAX_ENABLE_X64": "1"}
    run = subprocess.run([sys.executable, "-c", here], env=env, capture_output=True, text=True, check=True)
    errors = [float(x) for x in run.stdout.split()]
    assert len(errors) == len(starts("human16"))
    assert max(errors) < 1e-7


def errors_in_double_precision() -> list[float]:
    """Of the slope along one random direction a start, so short that it steps over hardly any cell's border.

    Without E_fc: its normals are held constant in the gradient, as in DexGraspNet.
    """
    hand, (tables, one) = load_hand("human16"), target("human16")
    one = one._replace(weights=one.weights.at[list(TERMS).index("fc")].set(0.0))
    rng, h, out = np.random.default_rng(0), 1e-7, []
    total = jax.jit(lambda v: ob.energy(hand, tables, one, v, kinematics(hand, v)))
    gradient = jax.jit(lambda v: ob.gradient(hand, tables, one, v))
    for start in starts("human16"):
        v = Variables(*(jnp.asarray(x, jnp.float64) for x in start))
        d = Variables(*(jnp.asarray(rng.normal(size=x.shape)) for x in start))
        ahead, behind = (Variables(*(x + s * u for x, u in zip(v, d, strict=True))) for s in (h, -h))
        want = float(total(ahead) - total(behind)) / (2 * h)
        each = [a * b for a, b in zip(gradient(v), d, strict=True)]
        scale = sum(float(jnp.sum(jnp.abs(x))) for x in each)
        out.append(abs(sum(float(jnp.sum(x)) for x in each) - want) / scale)
    return out


@pytest.mark.parametrize("name", EACH_HAND)
def test_gradient_is_finite_far_away_at_contact_and_deep_inside(name: str) -> None:
    hand = load_hand(name)
    total, gradient, _ = functions(name)
    for x in (0.0, 0.03, 5.0):
        pose = jnp.asarray([x, 0, 0, 1.0, 0, 0, 0], jnp.float32)
        v = to_variables(pose, jnp.zeros(len(hand.active_names)))
        assert np.isfinite(total(v, *target(name))[1]).all()
        assert all(np.isfinite(g).all() for g in gradient(v, *target(name)))
        np.testing.assert_allclose(to_pose(v), pose, atol=1e-6)


def test_weights_scale_their_terms_alone() -> None:
    """E(2 lambda) = 2 E(lambda), one lambda counts one term, and without any there is no gradient."""
    tables, one = target("human16")
    v = starts("human16")[3]
    total, gradient, _ = functions("human16")
    _, terms = total(v, tables, one)
    for k in range(len(TERMS)):
        only = one._replace(weights=jnp.zeros(len(TERMS)).at[k].set(2.0))
        assert float(total(v, tables, only)[0]) == pytest.approx(2.0 * float(terms[k]), rel=1e-5, abs=1e-7)
    nothing = gradient(v, tables, one._replace(weights=jnp.zeros(len(TERMS))))
    assert all((np.asarray(g) == 0.0).all() for g in nothing)


@pytest.mark.slow
def test_a_batch_is_the_same_as_one_grasp_after_another() -> None:
    hand, (tables, one) = load_hand("human16"), target("human16")
    each = starts("human16")
    together = jax.tree.map(lambda *x: jnp.stack(x)[None], *each)
    broken = together._replace(joints=together.joints.at[0, 2, 1].set(jnp.nan))
    targets, batch = stacked("human16")[1], jnp.asarray(3)
    got = jax.jit(lambda v: gradients(hand, tables, targets, v, batch, "xla"))(broken)
    # all of its samples' batches are that one: the function that another test has compiled takes it
    alone = one._replace(object_samples=jnp.broadcast_to(one.object_samples[3], one.object_samples.shape))
    for k, v in enumerate(each):
        want = functions("human16")[1](v, tables, alone)
        for a, b in zip(got, want, strict=True):
            if k == 2:  # the one that is broken stays so, and nobody else notices
                assert not np.isfinite(a[0, k]).any()
            else:
                np.testing.assert_allclose(a[0, k], b, rtol=1e-4, atol=1e-5 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("seam", ["pair_gaps", "distance"])
def test_seams_of_distances_have_the_gradient_of_their_plain_function(seam: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (tuple(jnp.asarray(rng.normal(size=(3, 7)), jnp.float32)) for _ in range(2))
    weight = jnp.asarray(rng.normal(size=(7, 7)), jnp.float32)
    weight = weight + weight.T if seam == "pair_gaps" else weight[0]
    function = getattr(seams, seam)

    def value(which, p):
        return jnp.sum(weight * which(p, p if seam == "pair_gaps" else b))

    got, want = (jax.grad(lambda p: value(which, p))(a) for which in (function, function.__wrapped__))  # noqa: B023
    for mine, auto in zip(got, want, strict=True):
        np.testing.assert_allclose(mine, auto, rtol=1e-4, atol=1e-5)


def test_the_sphere_taken_for_a_sample_reaches_furthest_over_it() -> None:
    """To 20 um: the low bits of a distance hold the sphere's number."""
    rng = np.random.default_rng(0)
    sphere, sample = rng.normal(size=(3, 300)) * 0.05, rng.normal(size=(3, 500)) * 0.05
    radius = rng.uniform(0.002, 0.015, size=300)
    parts = (tuple(jnp.asarray(x, jnp.float32)) for x in (sample, sphere))
    taken = np.asarray(nearest_spheres(*parts, jnp.asarray(radius, jnp.float32)))
    psi = np.linalg.norm(sample[:, :, None] - sphere[:, None], axis=0) - radius
    assert (psi[np.arange(500), taken] - psi.min(axis=1)).max() < 2e-5
