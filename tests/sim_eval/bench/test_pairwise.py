"""The pairwise reference: its distances, its gradient, and its agreement with the look-ups."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trimesh
from jax.flatten_util import ravel_pytree
from scipy.spatial import KDTree

from sim_eval.bench.pairwise import (
    SEARCHES,
    SEARCHES_ON_CPU,
    Cloud,
    Search,
    clouds,
    hand_points,
    measure,
    nearest,
    total,
)
from sim_eval.bench.paths import exact_energy
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands import HandModel, load_hand
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.objects import build_signed_distance_field, signed_distance
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.samples import sample_surface
from zdg_jax.refine import TERMS, RefineConfig
from zdg_jax.refine.batching import stack
from zdg_jax.refine.optimize import State, measured
from zdg_jax.refine.problem import Problem, build_problem
from zdg_jax.refine.starts import jittered
from zdg_jax.refine.variables import Variables, to_field, to_variables


@cache
def drum() -> tuple[HandModel, ObjectModel, ReasonedGrasp, Problem]:
    """A drum so wide that a hand along it, seen from a corner of its box, lies wholly inside the grid."""
    mesh = trimesh.creation.cylinder(radius=0.19, height=0.21, sections=256)
    samples = sample_surface(mesh)
    obj = ObjectModel(
        object_id="drum", name=None, scale=1.0, mesh=mesh, mesh_sha256="", warnings=(), samples=samples,
        parts=(), face_part=np.ones(len(mesh.faces), dtype=np.int64),
        sample_part=np.ones(len(samples.points), dtype=np.int64), features=np.zeros((len(samples.points), 1)),
        field=build_signed_distance_field(mesh),
    )  # fmt: skip
    R = obj.field.R_field_obj.T  # columns: the box's axes, the drum's own, the shortest, first
    out = (R[:, 1] + R[:, 2]) / np.sqrt(2)
    height, side = samples.points @ R[:, 0], samples.points @ out
    guidance = ContactGuidance(side > 0.0, (side > 0.1) & (np.abs(height) < 0.1), None, (1,), (1,))
    frame = np.stack([R[:, 0], np.cross(-out, R[:, 0]), -out], axis=1)
    initial = InitialGrasp(0.20 * out + 0.01 * R[:, 0], frame, "lift", "aside", 0, 0)
    grasp = ReasonedGrasp("hold it", "ok", "", guidance, initial)
    hand = load_hand("human16")
    return hand, obj, grasp, build_problem(hand, obj, grasp, RefineConfig())


@cache
def cloud() -> Cloud:
    _, obj, _, problem = drum()
    return jax.tree.map(lambda x: x[0], clouds([obj], [problem]))


@pytest.mark.parametrize("search", [*SEARCHES_ON_CPU, *SEARCHES])
def test_nearest_samples_are_those_of_a_tree(search: Search) -> None:
    points = np.random.default_rng(0).normal(size=(200, 3)) * 0.05
    where = np.asarray(cloud().points)
    got = np.asarray(jax.jit(nearest, static_argnums=2)(cloud(), jnp.asarray(points, jnp.float32), search))
    masks = (np.asarray(cloud().hand), np.asarray(cloud().func), np.ones(len(where), bool))
    for row, mask in zip(got, masks, strict=True):
        assert mask[row].all()
        want, _ = KDTree(where[mask]).query(points)
        np.testing.assert_allclose(np.linalg.norm(points - where[row], axis=1), want, atol=1e-7)


@cache
def energy_and_slope():
    hand, _, _, _ = drum()
    return jax.jit(
        lambda v, which: jax.value_and_grad(total, argnums=2)(hand, cloud(), v, which, jnp.int32(0))
    )


def _variables(pose: np.ndarray, joints: np.ndarray) -> tuple[Variables, jax.Array]:
    hand, _, _, problem = drum()
    inner = to_field(problem.field.R_field_obj, pose)
    v = to_variables(*(jnp.asarray(x, jnp.float32) for x in (inner, joints)))
    skin, _, pad = hand_points(hand, v)
    return v, nearest(cloud(), jnp.concatenate([skin, pad]), SEARCHES_ON_CPU[0])


def _starts(count: int) -> tuple[np.ndarray, np.ndarray]:
    hand, _, grasp, _ = drum()
    assert grasp.initial is not None
    return jittered(hand, grasp.initial, count, 0, RefineConfig(jitter_opening=0.0))


@pytest.mark.slow
def test_gradient_is_that_of_central_differences() -> None:
    pose, joints = (x[1] for x in _starts(2))
    v, which = _variables(pose, joints)
    flat, build = ravel_pytree(energy_and_slope()(v, which)[1])
    start, _ = ravel_pytree(v)
    rng, step = np.random.default_rng(1), 1e-3
    for _ in range(6):  # directions: float32 leaves little of a single coordinate's difference
        d = rng.normal(size=len(flat)).astype(np.float32)
        d /= np.linalg.norm(d)
        up, down = (float(energy_and_slope()(build(start + s * d), which)[0]) for s in (step, -step))
        np.testing.assert_allclose((up - down) / (2 * step), float(flat @ d), rtol=0.02, atol=0.1)


@pytest.mark.slow
def test_lookups_and_exact_distances_give_the_same_energies() -> None:
    hand, obj, _, problem = drum()
    pose, joints = _starts(4)
    skin = posed_skin(hand, to_field(problem.field.R_field_obj, pose), joints)
    low, high = problem.field.bounds
    # beyond the grid a look-up adds the way to it, which is more than the distance
    assert ((skin > low) & (skin < high)).all()
    tables, targets = stack([problem], 1)
    inner = to_field(problem.field.R_field_obj, pose)
    v = jax.vmap(jax.vmap(to_variables))(*(jnp.asarray(x, jnp.float32)[None] for x in (inner, joints)))
    _, q, looked_up, _ = jax.jit(lambda v: measured(hand, tables, targets, State(v, None), "xla"))(v)
    exact = exact_energy(hand, obj, problem, pose, np.asarray(q[0], np.float64))
    assert exact[:, list(TERMS).index("pen")].max() > 0.05
    # c_j turns by a tenth a millimetre, and between two samples the grid of 5 mm is off by one; a pad 2 cm
    # off weighs a tenth more or less in E_fc for a quarter of a millimetre
    tolerance = dict.fromkeys(TERMS, 1e-4) | {"cmap": 1e-2, "pen": 6e-3, "fc": 0.12}
    for term, got, want in zip(TERMS, np.asarray(looked_up[0]).T, exact.T, strict=True):
        np.testing.assert_allclose(got, want, atol=tolerance[term], rtol=0.02, err_msg=term)


@pytest.mark.slow
def test_pairwise_signed_distance_is_nearly_the_exact_one() -> None:
    hand, obj, _, problem = drum()
    pose, joints = (x[1] for x in _starts(2))
    v, which = _variables(pose, joints)
    skin, _, pad = hand_points(hand, v)
    at = measure(cloud(), skin, pad, which)
    where = np.concatenate([skin, pad]).astype(np.float64) @ problem.field.R_field_obj
    exact = signed_distance(obj.mesh, where)
    # samples lie 9 mm apart: their planes leave the drum by 9^2 / (8 * 190) mm between them, more off the rim
    error = np.concatenate([at.phi, at.pad_phi]) - exact
    assert np.abs(error[exact < 0.01]).max() < 5e-4
    assert (exact < 0.0).sum() > 20
    np.testing.assert_allclose(np.linalg.norm(at.pad_normal, axis=1), 1.0, atol=1e-6)


@pytest.mark.slow
def test_far_hands_are_measured_and_nan_ones_stay_so() -> None:
    pose, joints = (x[0] for x in _starts(1))
    v, which = _variables(pose + np.array([9.0, 0, 0, 0, 0, 0, 0]), joints)
    value, slope = energy_and_slope()(v, which)
    assert np.isfinite(value)
    assert all(np.isfinite(x).all() for x in slope)
    assert np.isnan(energy_and_slope()(v._replace(position=v.position * jnp.nan), which)[0])
