"""Shadow's tendons in the simulated hand: C and MJX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from sim_eval.backends.mjx_physics import Bodies, hand_physics, stack_bodies, traced
from sim_eval.protocols import six_force
from sim_eval.scene import HandScene, build_hand_scene
from sim_eval.solids import Inertial
from tests.sim_eval.simulation import shape
from zdg_jax.hands import HandModel, load_hand

FAR = Inertial(0.1, np.array([0.0, 5.0, 0.0]), 1e-4 * np.eye(3), "mesh")


def _posed(hand: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """Joints away from the limits, and targets of which some ask for more than the motors have."""
    rng = np.random.default_rng(3)
    middle, half = (hand.lower + hand.upper) / 2, (hand.upper - hand.lower) / 2
    return middle + 0.5 * half * rng.uniform(-1, 1, 22), middle + 2.0 * half * rng.uniform(-1, 1, 22)


def _torques(hand: HandModel, joints: np.ndarray, targets: np.ndarray) -> np.ndarray:
    T = hand.transmission
    force = hand.servo_kp * (T @ targets - T @ joints)
    return T.T @ np.clip(force, -hand.servo_torque, hand.servo_torque)


def _hinges(hand: HandModel, scene: HandScene) -> list[int]:
    """Where the active joints' torques stand in `qfrc`."""
    adr = dict(zip((hand.joint_names[j] for j in scene.hinge), scene.dof_adr, strict=True))
    return [int(adr[name]) for name in hand.active_names]


def test_a_tendon_pulls_both_of_its_joints_with_one_force() -> None:
    """C MuJoCo's actuator forces against T^T clip(kp (T target - T q))."""
    hand = load_hand("shadow")
    scene = build_hand_scene(hand, (), FAR, six_force.PARAMS)
    assert (scene.model.nu, scene.model.ntendon) == (18, 4)
    joints, targets = _posed(hand)
    data = mujoco.MjData(scene.model)
    data.qpos[:] = scene.qpos(hand, joints[None])[0]
    data.ctrl[:] = scene.targets(targets)
    mujoco.mj_forward(scene.model, data)
    want = _torques(hand, joints, targets)
    np.testing.assert_allclose(data.qfrc_actuator[_hinges(hand, scene)], want, atol=1e-9)
    assert np.abs(want).max() == hand.servo_torque  # some are cut off


@pytest.mark.slow
def test_mjx_pulls_as_c_does() -> None:
    hand = load_hand("shadow")
    physics = hand_physics(hand, six_force.PARAMS, six_force.MASS)
    assert physics.scene is not None
    joints, targets = _posed(hand)
    own: Bodies = jax.tree.map(lambda x: jnp.asarray(x[0]), stack_bodies((shape("ball"),), 1))
    qpos = physics.scene.qpos(hand, joints[None])[0]
    qpos[-7:] = [5.0, 0, 0, 1, 0, 0, 0]
    data = physics.data.replace(
        qpos=jnp.asarray(qpos, jnp.float32), ctrl=jnp.asarray(physics.scene.targets(targets), jnp.float32)
    )
    model = physics.with_object(physics.model, own)
    seen = jax.jit(traced(lambda d: physics.forward(model, d, own, None)[0]))(data)
    got = np.asarray(seen.qfrc_actuator)[_hinges(hand, physics.scene)]
    np.testing.assert_allclose(got, _torques(hand, joints, targets), atol=2e-5)


def test_a_blocked_middle_joint_hands_its_motion_to_the_distal_one() -> None:
    """What a tendon is for: the fingertip closes where the middle phalanx is stopped."""
    hand = load_hand("shadow")
    scene = build_hand_scene(hand, (), FAR, six_force.PARAMS)
    joint = {
        name: int(a)
        for name, a in zip((hand.joint_names[j] for j in scene.hinge), scene.qpos_adr, strict=True)
    }
    scene.model.jnt_range[scene.model.joint("rh_FFJ2").id] = [0.0, 0.2]
    target = np.zeros(22)
    target[[hand.active_names.index(j) for j in ("rh_FFJ2", "rh_FFJ1")]] = 0.5
    data = mujoco.MjData(scene.model)
    data.ctrl[:] = scene.targets(target)
    mujoco.mj_step(scene.model, data, 500)
    assert data.qpos[joint["rh_FFJ2"]] < 0.25
    np.testing.assert_allclose(data.qpos[joint["rh_FFJ2"]] + data.qpos[joint["rh_FFJ1"]], 1.0, atol=0.02)
