"""The actuated hand in C MuJoCo: kinematics, what it holds, what it can't."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np
import pytest

from sim_eval import backends
from sim_eval.backends import c
from sim_eval.backends.jobs import Hold
from sim_eval.protocols import gravity_hold, six_force
from sim_eval.protocols.hold import poses_of, run_hold, waypoints_of
from sim_eval.scene import build_hand_scene, hand_scene
from sim_eval.solids import Inertial
from tests.sim_eval.simulation import closing, human16, shape, wrapped
from zdg_jax.hands import HAND_NAMES, load_hand
from zdg_jax.hands.kinematics import posed_spheres

FAR = Inertial(0.1, np.array([0.0, 5.0, 0.0]), 1e-4 * np.eye(3), "mesh")


@pytest.mark.parametrize("name", HAND_NAMES)
def test_spheres_stand_where_the_kinematics_put_them(name):
    hand = load_hand(name)
    scene = build_hand_scene(hand, (), FAR, six_force.PARAMS)
    data = mujoco.MjData(scene.model)
    rng = np.random.default_rng(0)
    order = np.argsort(hand.sphere_link, kind="stable")
    for _ in range(3):
        joints = rng.uniform(hand.lower, hand.upper)
        pose = np.concatenate([rng.normal(size=3), _unit(rng.normal(size=4))])
        data.mocap_pos[0], data.mocap_quat[0] = pose[:3], pose[3:]
        data.qpos[:] = scene.qpos(hand, joints[None])[0]
        mujoco.mj_kinematics(scene.model, data)
        want = posed_spheres(hand, pose[None], joints[None])[0][order]
        np.testing.assert_allclose(data.geom_xpos[: len(order)], want, atol=1e-6)


def _unit(q: np.ndarray) -> np.ndarray:
    return q / np.linalg.norm(q)


@pytest.mark.parametrize("name", HAND_NAMES)
def test_servos_reach_their_targets_and_couplings_hold(name):
    hand = load_hand(name)
    scene = build_hand_scene(hand, (), FAR, six_force.PARAMS)
    data = mujoco.MjData(scene.model)
    target = 0.5 * (hand.lower + hand.upper)
    data.ctrl[:] = scene.targets(target)
    mujoco.mj_step(scene.model, data, 250)
    want = hand.coupling @ target + hand.coupling_offset
    np.testing.assert_allclose(data.qpos[scene.qpos_adr], want[scene.hinge], atol=0.02)
    assert np.abs(data.qvel).max() < 0.05


def hold_of(shape_name: str, force: np.ndarray, **change) -> tuple[Hold, np.ndarray]:
    hand = human16()
    pose, joints = wrapped(hand, (shape_name,))
    pre, squeeze = closing(hand, joints)
    job = Hold(
        hand, (shape(shape_name),), np.zeros(1, int), poses_of(None, pose),
        waypoints_of(pre, joints, squeeze), six_force.MASS, six_force.PARAMS, six_force.RAMP, force, 4, 50,
        six_force.MAX_MOVE, float(six_force.MAX_TURN),
    )  # fmt: skip
    return dataclasses.replace(job, **change), joints


def test_an_object_out_of_reach_moves_as_newton_says():
    """x = F t^2 / 2m; the hand is 5 m off. Checks after the failed one are not simulated."""
    job, _ = hold_of("ball", np.array([[0.0, -1.0, 0.0]]), max_move=100.0)
    job.hand_pose[:, :, 0] = 5.0
    (out,) = c.hold(job)
    n = job.check_steps * np.arange(1, 5)
    want = 10.0 * six_force.TIMESTEP**2 * n * (n + 1) / 2
    np.testing.assert_allclose(out.move()[0, 1:], want, rtol=1e-6)
    assert not out.contact.any()
    (stopped,) = c.hold(dataclasses.replace(job, max_move=0.05))
    assert np.isfinite(stopped.move()[0]).sum() == 2


def test_a_failed_force_ends_the_row_and_is_counted():
    job, _ = hold_of("ball", six_force.FORCES)
    job.hand_pose[:, :, 0] = 5.0
    result = run_hold(job, backends.backend("c"), 0.01, touch_end=False)
    assert (result.forces_held[0], result.success[0], result.status[0]) == (0, False, "ok")
    assert result.move_m[0] > six_force.MAX_MOVE
    assert result.steps[0] == 2 * 100 + 50


def test_a_deep_start_is_no_success():
    job, _ = hold_of("plate", np.array([[0.0, 0.0, 0.0]]))
    held = run_hold(job, backends.backend("c"), 1.0, touch_end=False)
    assert held.success[0]
    assert held.start_depth_m[0] > 0.005
    assert not run_hold(job, backends.backend("c"), 0.005, touch_end=False).success[0]


def test_threads_change_nothing():
    job, _ = hold_of("rod", six_force.FORCES[:2])
    poses = np.tile(job.hand_pose, (3, 1, 1)) + 0.001 * np.arange(3)[:, None, None]
    job = dataclasses.replace(
        job, index=np.zeros(3, int), hand_pose=poses,
        waypoints=np.tile(job.waypoints, (3, 1, 1)),
    )  # fmt: skip
    for one, three in zip(c.hold(job, 1), c.hold(job, 3), strict=True):
        np.testing.assert_array_equal(one.p_world_com, three.p_world_com)


def test_constants():
    """DexGraspBench's numbers, as its main branch has them."""
    model = hand_scene(human16(), shape("ball"), six_force.MASS, six_force.PARAMS).model
    assert model.opt.timestep == 0.004
    assert model.opt.impratio == 10
    assert model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    assert not model.opt.gravity.any()
    assert model.body("object").mass[0] == pytest.approx(0.1)
    assert set(model.geom_condim) == {4}
    np.testing.assert_allclose(model.geom_friction[:, :2], [[0.6, 0.02]] * model.ngeom)
    np.testing.assert_allclose(np.abs(six_force.FORCES).sum(axis=1), 1.0)
    assert six_force.CHECKS * six_force.CHECK_STEPS == 500
    assert pytest.approx(2.0) == gravity_hold.CHECKS * gravity_hold.CHECK_STEPS * six_force.TIMESTEP
