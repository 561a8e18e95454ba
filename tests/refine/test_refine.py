"""Refinement of a small problem: it descends, it is equivariant, a bad row harms no other."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import base_from_palm, posed_skin
from zdg_jax.objects import build_sdf_grid, signed_distance
from zdg_jax.objects.model import ObjectModel, SurfaceSamples
from zdg_jax.refine import TERMS, RefineConfig, refine
from zdg_jax.refine.objective import sphere_distance, terms, to_pose, to_variables
from zdg_jax.refine.optimise import Schedule, compiled
from zdg_jax.refine.problem import build_problem
from zdg_jax.refine.refine import drift_from

SHORT = RefineConfig(steps=60)


@pytest.fixture(scope="module")
def rod() -> ObjectModel:
    """A handle: 24 cm long, 3 cm thick, along z."""
    mesh = trimesh.creation.cylinder(radius=0.015, height=0.24, sections=48).subdivide_to_size(0.01)
    points, faces = trimesh.sample.sample_surface_even(mesh, 1200, seed=0)
    return ObjectModel(
        object_id="rod", name=None, scale=1.0, mesh=mesh, mesh_sha256="", warnings=(), parts=(),
        samples=SurfaceSamples(np.asarray(points), mesh.face_normals[faces], np.asarray(faces)),
        face_part=np.ones(len(mesh.faces), dtype=np.int64), sample_part=np.ones(len(points), dtype=np.int64),
        features=np.zeros((len(points), 1)), sdf=build_sdf_grid(mesh),
    )  # fmt: skip


@pytest.fixture(scope="module")
def grasp(rod: ObjectModel) -> ReasonedGrasp:
    mask = np.abs(rod.samples.points[:, 2]) < 0.06
    R = np.stack([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]], axis=1)  # palm down on the rod, fingers across
    initial = InitialGrasp(np.array([0.0, 0.03, 0.0]), R, "handle-grasp", "above", 0, 0)
    return ReasonedGrasp("lift it", "ok", "", ContactGuidance(mask, mask, None, (1,), (1,)), initial)


def test_energy_falls_and_the_hand_leaves_the_object(rod: ObjectModel, grasp: ReasonedGrasp) -> None:
    hand = load_hand("human16")
    out = refine(hand, rod, grasp, num=4, seed=0, config=RefineConfig(steps=200))
    assert set(out.energy) == set(TERMS)
    assert (out.energy_total < 0.6 * out.init_energy_total).all()
    best = out.order()[0]
    phi = signed_distance(rod.mesh, posed_skin(hand, out.hand_pose[best], out.joints[best]))
    assert phi.min() > -0.003
    assert (phi < 0.005).sum() > 40
    assert (out.joints >= hand.lower - 1e-6).all()
    assert (out.joints <= hand.upper + 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(out.hand_pose[:, 3:], axis=1), 1.0, atol=1e-5)


def test_same_seed_same_result_and_first_start_is_the_given_one(
    rod: ObjectModel, grasp: ReasonedGrasp
) -> None:
    hand = load_hand("human16")
    a = refine(hand, rod, grasp, num=4, seed=5, config=SHORT)
    b = refine(hand, rod, grasp, num=4, seed=5, config=SHORT)
    c = refine(hand, rod, grasp, num=4, seed=6, config=SHORT)
    np.testing.assert_array_equal(a.hand_pose, b.hand_pose)
    assert not np.array_equal(a.hand_pose[1:], c.hand_pose[1:])
    np.testing.assert_allclose(a.init_joints[0], hand.grasp_types["handle-grasp"].joints)


def test_a_nan_start_is_named_and_leaves_the_others_bit_identical(
    rod: ObjectModel, grasp: ReasonedGrasp
) -> None:
    hand = load_hand("human16")
    problem = build_problem(hand, rod, grasp, SHORT)
    clean = refine(hand, rod, grasp, num=4, seed=0, config=SHORT)
    pose, joints = clean.init_pose.astype(np.float32), clean.init_joints.astype(np.float32)
    bad = pose.copy()
    bad[2, 0] = np.nan
    schedule = Schedule(
        jnp.asarray(60), jnp.asarray(0.005, jnp.float32), jnp.asarray(0.98, jnp.float32), jnp.asarray(10)
    )
    got = compiled(hand)(problem, schedule, jnp.asarray(bad), jnp.asarray(joints))
    want = compiled(hand)(problem, schedule, jnp.asarray(pose), jnp.asarray(joints))
    others = [0, 1, 3]
    np.testing.assert_array_equal(np.asarray(got[0])[others], np.asarray(want[0])[others])
    assert not np.isfinite(np.asarray(got[0])[2]).all()


def test_nothing_recompiles_for_new_weights_or_targets(rod: ObjectModel, grasp: ReasonedGrasp) -> None:
    hand = load_hand("human16")
    refine(hand, rod, grasp, num=4, seed=0, config=SHORT)
    before = compiled(hand)._cache_size()
    mask = rod.samples.points[:, 2] > 0.0
    other = dataclasses.replace(grasp, guidance=ContactGuidance(mask, mask, None, (1,), (1,)))
    weights = dict.fromkeys(TERMS, 2.0)
    refine(
        hand, rod, other, num=4, seed=1, config=RefineConfig(weights=weights, steps=20, learning_rate=0.01)
    )
    assert compiled(hand)._cache_size() == before


@pytest.mark.parametrize("ablation", ["contact", "initial", "refine"])
def test_ablations(rod: ObjectModel, grasp: ReasonedGrasp, ablation: str) -> None:
    hand = load_hand("human16")
    out = refine(hand, rod, grasp, num=4, seed=0, config=RefineConfig(steps=20, ablation=ablation))
    full = refine(hand, rod, grasp, num=4, seed=0, config=RefineConfig(steps=20))
    if ablation == "refine":
        np.testing.assert_allclose(out.hand_pose, out.init_pose, atol=1e-5)
        np.testing.assert_allclose(out.joints, out.init_joints, atol=1e-5)
    elif ablation == "initial":
        assert not np.allclose(out.init_pose, full.init_pose)
    else:
        assert not np.allclose(out.hand_pose, full.hand_pose)


def test_empty_region_is_refused(rod: ObjectModel, grasp: ReasonedGrasp) -> None:
    none = np.zeros(len(rod.samples.points), dtype=bool)
    empty = dataclasses.replace(grasp, guidance=ContactGuidance(none, none, None, (1,), (1,)))
    with pytest.raises(ValueError, match="empty contact region"):
        refine(load_hand("human16"), rod, empty, num=2)


def test_sphere_distance_is_the_pairwise_one() -> None:
    rng = np.random.default_rng(0)
    p, c, r = rng.normal(size=(40, 3)) * 0.1, rng.normal(size=(9, 3)) * 0.1, rng.uniform(0.005, 0.02, size=9)
    want = (np.linalg.norm(p[:, None] - c[None], axis=2) - r).min(axis=1)
    got = sphere_distance(*(jnp.asarray(x, jnp.float32) for x in (p, c, r)))
    np.testing.assert_allclose(got, want, atol=2e-5)


@pytest.mark.parametrize("name", ["human16", "shadow"])
def test_terms_of_every_hand_are_finite_far_away_and_deep_inside(
    rod: ObjectModel, grasp: ReasonedGrasp, name: str
) -> None:
    hand = load_hand(name)
    problem = build_problem(hand, rod, grasp, RefineConfig())
    value = jax.jit(jax.value_and_grad(lambda v: jnp.sum(terms(hand, problem, v))))
    for x in (0.0, 0.03, 5.0):
        pose = jnp.asarray([x, 0, 0, 1.0, 0, 0, 0], jnp.float32)
        v = to_variables(pose, jnp.zeros(len(hand.active_names)))
        out, grad = value(v)
        assert np.isfinite(out)
        assert all(np.isfinite(g).all() for g in grad)
        np.testing.assert_allclose(to_pose(v), pose, atol=1e-6)


def test_drift_is_zero_near_the_reasoned_pose_and_grows_beyond(grasp: ReasonedGrasp) -> None:
    hand = load_hand("human16")
    assert grasp.initial is not None
    p, R = grasp.initial.p_obj_palm, grasp.initial.R_obj_palm
    turn = Rotation.from_rotvec(np.array([[0.5, 0, 0], [1.5, 0, 0]])).as_matrix()
    poses = np.stack([
        base_from_palm(hand, p, R),
        base_from_palm(hand, p + 0.2 * R[:, 2], R),  # closing in is no drift
        base_from_palm(hand, p + 0.02 * R[:, 0], R),
        base_from_palm(hand, p + 0.08 * R[:, 0], R),
        base_from_palm(hand, p, turn[0] @ R),
        base_from_palm(hand, p, turn[1] @ R),
    ])  # fmt: skip
    want = [0, 0, 0, 1.0, 0, (1.5 - np.pi / 4) / 0.5]
    np.testing.assert_allclose(drift_from(hand, grasp.initial, poses), want, atol=1e-6)
