"""Refinement of small problems: it descends, repeats, keeps its frame, and does what its switches say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from tests.refine.things import SHORT, STARTS, grasp_on, model_of, pointed_at, shape
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import base_from_palm, palm_from_base, posed_skin
from zdg_jax.objects import signed_distance
from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.refine import TERMS, RefineConfig, Task, driver, refine, refine_many
from zdg_jax.refine.batching import batch_shape
from zdg_jax.refine.config import Optimizer
from zdg_jax.refine.optimize import OPTIMIZERS
from zdg_jax.refine.refine import _problem, pose_deviation
from zdg_jax.refine.starts import random_at
from zdg_jax.refine.variables import to_field

HAND = load_hand("human16")
ROD = shape("rod")
GRASP = grasp_on(ROD)


@pytest.fixture(autouse=True)
def _one_compiled_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """One task takes the eight slots that tests of batches have compiled for: rows do not know of others."""
    monkeypatch.setattr(driver, "batch_shape", lambda *args: batch_shape(*args)._replace(slots=8))


def run(config: RefineConfig = SHORT, seed: int = 0) -> Grasps:
    return refine(HAND, ROD, GRASP, num=STARTS, seed=seed, config=config)


def test_energy_falls_and_the_hand_leaves_the_object() -> None:
    out = run(replace(SHORT, steps=200))
    assert {f"energy.{t}" for t in TERMS} <= set(out.columns)
    assert out.ok.all()
    assert (out["energy_total"] < 0.7 * out["init_energy_total"]).all()
    best = out.order()[0]
    phi = signed_distance(ROD.mesh, posed_skin(HAND, out.hand_pose[best], out.joints[best]))
    assert phi.min() > -0.003
    assert (phi < 0.005).sum() > 40
    assert (out.joints >= HAND.lower - 1e-6).all()
    assert (out.joints <= HAND.upper + 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(out.hand_pose[:, 3:], axis=1), 1.0, atol=1e-5)


def test_same_seed_same_result_and_first_start_is_the_given_one() -> None:
    a, b, c = run(seed=5), run(seed=5), run(seed=6)
    np.testing.assert_array_equal(a.hand_pose, b.hand_pose)
    assert not np.array_equal(a.hand_pose[1:], c.hand_pose[1:])
    np.testing.assert_allclose(a["init_joints"][0], HAND.grasp_types["handle-grasp"].joints)


def test_energies_are_those_of_the_final_pose() -> None:
    """Starting where a run ended and taking no step gives the same energies."""
    out = run()
    again = Task(ROD, GRASP, starts=(out.hand_pose, out.joints))
    (still,) = refine_many(HAND, [again], config=RefineConfig(ablation="refine"))
    for term in TERMS:
        np.testing.assert_allclose(still[f"energy.{term}"], out[f"energy.{term}"], rtol=1e-3, atol=2e-5)
        np.testing.assert_array_equal(still[f"energy.{term}"], still[f"init_energy.{term}"])
    assert_same_pose(still.hand_pose, out.hand_pose, 1e-6)


# Each compiles the whole refinement; Adam's kin differ in a line of optax, and one of them stands for them.
QUICK = ("adam",)


@pytest.mark.parametrize(
    "optimizer",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OPTIMIZERS],
)
def test_every_optimiser_descends(optimizer: str) -> None:
    # lion's steps are all of one length: seed 0 has a start that they throw past the object
    out = run(replace(SHORT, steps=60, optimizer=optimizer), seed=1)
    assert out.ok.all()
    assert (out["energy_total"] < 0.9 * out["init_energy_total"]).all()


def test_settings_know_every_optimiser() -> None:
    assert get_args(Optimizer) == tuple(OPTIMIZERS)


def test_bad_settings_say_what_is_valid() -> None:
    with pytest.raises(UserError, match="adam, amsgrad, nadam, adabelief, yogi, lion, rmsprop"):
        RefineConfig(optimizer="sgd9")
    with pytest.raises(UserError, match="CUDA"):
        run(RefineConfig(path="kernel"))
    bad: tuple[dict[str, Any], ...] = (
        {"steps": -1}, {"learning_rate": math.nan}, {"decay_every": 0},
        {"hypotheses": 0}, {"jitter_angle": -0.2}, {"weights": {"pen": math.inf}},
    )  # fmt: skip
    for settings in bad:
        with pytest.raises(UserError, match=next(iter(settings)).removesuffix("s")):
            RefineConfig(**settings)
    assert RefineConfig(steps=0, learning_rate=1.0).steps == 0
    for stop in (((0, 0.5),), ((600, 0.5),), ((200, 0.5), (100, 0.2)), ((200, 0.0),), ((200, 1.1),)):
        with pytest.raises(UserError, match="early_stop"):
            RefineConfig(early_stop=stop)
    with pytest.raises(UserError, match="early_stop"):
        RefineConfig(early_stop=((100, 0.2), (200, 0.5)))
    with pytest.raises(ValueError, match="num 0"):
        refine(HAND, ROD, GRASP, num=0)
    for k, joints in ((0, 16), (2, 15)):
        with pytest.raises(ValueError, match="k >= 1"):
            refine_many(HAND, [Task(ROD, GRASP, starts=(np.zeros((k, 7)), np.zeros((k, joints))))])


@pytest.mark.parametrize("ablation", ["contact", "initial", "refine"])
def test_ablations(ablation: str) -> None:
    out, full = run(replace(SHORT, ablation=ablation)), run()
    if ablation == "refine":
        assert_same_pose(out.hand_pose, out["init_pose"], 1e-5)
        np.testing.assert_allclose(out.joints, out["init_joints"], atol=1e-5)
    elif ablation == "initial":
        assert not np.allclose(out["init_pose"], full["init_pose"])
    else:
        assert not np.allclose(out.hand_pose, full.hand_pose)


def test_key_points_draw_their_pads_and_a_task_without_them_does_not_notice() -> None:
    """Bit for bit, whatever E_point weighs and whoever is refined beside it."""
    begun = run().take(np.arange(STARTS))
    starts = begun["init_pose"], begun["init_joints"]
    pointed = pointed_at(GRASP, np.array([[0.015, 0.0, 0.01], [-0.015, 0.0, 0.01]]))
    several = replace(SHORT, hypotheses=2)
    unweighed = replace(several, weights={**several.weights, "point": 0.0})
    tasks = [Task(ROD, GRASP, starts=starts), Task(ROD, pointed, starts=starts)]
    plain, drawn = refine_many(HAND, tasks, config=several)
    alone, free = refine_many(HAND, tasks, config=unweighed)
    for name in ("hand_pose", "joints"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(alone, name))
    np.testing.assert_array_equal(plain["score"], alone["score"])
    assert (plain["energy.point"] == 0.0).all()
    assert (drawn["energy.point"] < 0.7 * drawn["init_energy.point"]).all()
    assert drawn["energy.point"].sum() < 0.7 * free["energy.point"].sum()


def test_a_third_of_the_starts_of_a_task_with_key_points_goes_on_as_if_it_had_none() -> None:
    pointed = pointed_at(GRASP, np.array([[0.015, 0.0, 0.01], [-0.015, 0.0, 0.01]]))
    several = replace(SHORT, hypotheses=2, steps=2)
    both, other = refine_many(HAND, [Task(ROD, pointed, 9), Task(ROD, GRASP, 3)], config=several)
    (alone,) = refine_many(HAND, [Task(ROD, GRASP, 3)], config=several)
    assert both["start"].tolist() == list(range(9))
    assert set(both.task_index) == set(alone.task_index)
    for found in (both.take(np.arange(6, 9)), other):
        np.testing.assert_array_equal(found.hand_pose, alone.hand_pose)
        np.testing.assert_allclose(found["score"], alone["score"], rtol=1e-6)  # of another batch's shape
    assert (both["init_energy.point"][:6] > 0).any()
    assert (both["init_energy.point"][6:] == 0).all()
    (paper,) = refine_many(HAND, [Task(ROD, pointed, 9)], config=replace(several, hypotheses=1))
    assert (paper["init_energy.point"] == 0).all()


def test_without_initial_inference_palms_turn_about_the_regions_centre() -> None:
    """W/O Initial: T = C, R uniform over SO(3) (its mean is 0), joints open, the prior no type's."""
    assert GRASP.guidance is not None
    pose, joints = random_at(HAND, ROD, GRASP.guidance, 400, 0)
    p, R = palm_from_base(HAND, pose)
    center = ROD.samples.points[GRASP.guidance.hand_mask].mean(axis=0)
    np.testing.assert_allclose(p, np.tile(center, (400, 1)), atol=1e-6)
    assert np.abs(R.mean(axis=0)).max() < 4 / np.sqrt(3 * 400)
    np.testing.assert_array_equal(joints, np.tile(HAND.open_joints, (400, 1)))
    again, _ = random_at(HAND, ROD, GRASP.guidance, 400, 0)
    np.testing.assert_array_equal(again, pose)
    own = np.stack([kind.contact_prior for kind in HAND.grasp_types.values()]).mean(axis=0)
    ablated = replace(SHORT, ablation="initial")
    for task, config in ((Task(ROD, GRASP, untyped=True), SHORT), (Task(ROD, GRASP), ablated)):
        prior = _problem(HAND, task, config).prior
        np.testing.assert_allclose(prior, np.tile(own, (len(prior), 1)))
    assert not np.allclose(_problem(HAND, Task(ROD, GRASP), SHORT).prior, own)


def test_turning_the_world_turns_the_result() -> None:
    """The field frame is the object's own up to half turns of its box, which Adam's steps do not see.

    Left is rounding, of the box and in the sums, which 25 steps carry on: 0.1 mm and 1 mrad at most.
    """
    knob = trimesh.creation.box((0.03, 0.03, 0.03)).apply_translation((0.02, 0.0, 0.06))
    obj = model_of(trimesh.util.concatenate([trimesh.creation.box((0.04, 0.06, 0.18)), knob]), "lopsided")
    R = Rotation.from_rotvec([0.5, -1.1, 0.7]).as_matrix()
    turned = trimesh.Trimesh(obj.mesh.vertices @ R.T, obj.mesh.faces, process=False)
    samples = SurfaceSamples(obj.samples.points @ R.T, obj.samples.normals @ R.T, obj.samples.faces)
    other = replace(model_of(turned, "turned"), samples=samples)
    grasp = grasp_on(obj)
    initial = grasp.initial
    assert initial is not None
    moved = replace(
        grasp,
        initial=replace(initial, p_obj_palm=R @ initial.p_obj_palm, R_obj_palm=R @ initial.R_obj_palm),
    )
    here = refine(HAND, obj, grasp, num=STARTS, seed=0, config=SHORT)
    start = (to_field(R, here["init_pose"]), here["init_joints"])
    (there,) = refine_many(HAND, [Task(other, moved, starts=start)], config=SHORT)
    np.testing.assert_allclose(there["init_energy_total"], here["init_energy_total"], rtol=1e-4)
    assert_same_pose(there.hand_pose, to_field(R, here.hand_pose), 1e-4)
    np.testing.assert_allclose(there.joints, here.joints, atol=1e-3)
    np.testing.assert_allclose(there["pose_deviation"], here["pose_deviation"], atol=1e-3)


def assert_same_pose(a: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    """Metres, and radians times 0.1; q and -q are the same turn."""
    np.testing.assert_allclose(a[:, :3], b[:, :3], atol=tolerance)
    same = np.sign(np.sum(a[:, 3:] * b[:, 3:], axis=1, keepdims=True))
    np.testing.assert_allclose(a[:, 3:], same * b[:, 3:], atol=5 * tolerance)


def test_order_puts_ok_first_then_stopped_then_the_rest() -> None:
    out = run()
    status = np.array(["stopped", "ok", "refine_nan", "ok"])
    mixed = out.with_columns({"score": np.array([1.0, 4.0, np.nan, 3.0]), "status": status})
    assert mixed.order().tolist() == [3, 1, 0, 2]


def test_drift_is_zero_near_the_reasoned_pose_and_grows_beyond() -> None:
    assert GRASP.initial is not None
    p, R = GRASP.initial.p_obj_palm, GRASP.initial.R_obj_palm
    turn = Rotation.from_rotvec(np.array([[0.5, 0, 0], [1.5, 0, 0]])).as_matrix()
    poses = np.stack([
        base_from_palm(HAND, p, R),
        base_from_palm(HAND, p + 0.2 * R[:, 2], R),  # closing in is no drift
        base_from_palm(HAND, p + 0.02 * R[:, 0], R),
        base_from_palm(HAND, p + 0.08 * R[:, 0], R),
        base_from_palm(HAND, p, turn[0] @ R),
        base_from_palm(HAND, p, turn[1] @ R),
        np.full(7, np.nan),
    ])  # fmt: skip
    want = [0, 0, 0, 1.0, 0, (1.5 - np.pi / 4) / 0.5, np.nan]
    shape = len(poses)
    got = pose_deviation(HAND, np.tile(p, (shape, 1)), np.tile(R, (shape, 1, 1)), poses)
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert np.isnan(pose_deviation(HAND, np.full((shape, 3), np.nan), np.tile(R, (shape, 1, 1)), poses)).all()
