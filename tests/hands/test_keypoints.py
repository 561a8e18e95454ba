"""Inverse kinematics to keypoints, and retargeting."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.hands.things import hand_or_skip
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.grasp_types import RUNS_IN, joints_like, keypoints, self_depths
from zdg_jax.hands.keypoints import jacobians
from zdg_jax.hands.kinematics import Transform, chain, place, posed
from zdg_jax.hands.retarget import REACH, retarget


def _grasps(hand, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    q = Rotation.random(n, random_state=seed).as_quat()
    pose = np.concatenate([rng.uniform(-0.1, 0.1, size=(n, 3)), q[:, 3:], q[:, :3]], axis=1)
    kinds = list(hand.grasp_types)
    names = [kinds[i % len(kinds)] for i in range(n)]
    joints = np.stack([hand.grasp_types[k].joints for k in names])
    joints = np.clip(joints + rng.normal(size=joints.shape) * 0.05, hand.lower, hand.upper)
    return pose, joints, names


@pytest.mark.slow
def test_jacobians_are_the_derivative_of_kinematics() -> None:
    """Of every pad, against central differences."""
    hand = load_hand("human16")
    q = np.random.default_rng(0).uniform(hand.lower, hand.upper).astype(np.float32)
    pose = np.array([0.1, 0.2, -0.1, 0.5, 0.5, -0.5, 0.5])

    @jax.jit
    def at(q):
        now = chain(hand, Transform(pos=jnp.asarray(pose[:3]), rot=jnp.asarray(pose[3:])), q)
        local = jnp.asarray(hand.p_link_pad, jnp.float32)
        points = place(now.links, hand.pad_link, local)
        return jacobians(hand, now, hand.pad_link, points, points)[0]

    got = np.asarray(at(jnp.asarray(q)))
    h = 5e-3
    moved = [posed(hand, pose, q + d * h * np.eye(len(q)), "pad") for d in (1, -1)]
    np.testing.assert_allclose(got[:, :, 6:].transpose(2, 0, 1), (moved[0] - moved[1]) / (2 * h), atol=5e-5)
    np.testing.assert_allclose(got[:, :, :3], np.tile(np.eye(3), (5, 1, 1)), atol=1e-6)


@pytest.mark.slow
def test_a_hand_retargeted_to_itself_stays_where_it_is() -> None:
    hand = load_hand("human16")
    pose, joints, names = _grasps(hand, 16)
    found = retarget(hand, hand, pose, joints, names)
    assert found.tip_error.max() < 0.003
    assert found.reachable.all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "reach"), [("shadow", 0.9), ("inspire", 0.25)])
def test_human_grasps_reach_robots(name: str, reach: float) -> None:
    """An Inspire finger has one motor: few of its tips can meet a point."""
    human, shadow = load_hand("human16"), hand_or_skip(name)
    pose, joints, names = _grasps(human, 16)
    found = retarget(human, shadow, pose, joints, names)
    assert (found.joints >= shadow.lower - 1e-6).all()
    assert (found.joints <= shadow.upper + 1e-6).all()
    assert found.tip_error[found.reachable].mean() < REACH
    assert found.reachable.mean() > reach
    index = found.fingers.index("index")
    want = posed(human, pose, joints, "pad")[:, human.pad_names.index("index")]
    got = posed(shadow, found.hand_pose, found.joints, "pad")[:, shadow.pad_names.index("index")]
    np.testing.assert_allclose(np.linalg.norm(want - got, axis=1), found.tip_error[:, index], atol=1e-5)


@pytest.mark.slow
def test_a_tip_out_of_reach_is_flagged() -> None:
    """The little finger's goal lies half a metre off."""
    human = load_hand("human16")
    pose, joints, names = _grasps(human, 16)
    far = human.p_link_pad.copy()
    far[human.pad_names.index("little")] += [0.5, 0.0, 0.0]
    stretched = dataclasses.replace(human, p_link_pad=far)
    found = retarget(stretched, human, pose, joints, names)
    little = found.fingers.index("little")
    assert not found.reachable[:, little].any()
    assert (found.tip_error[:, little] > 0.1).all()


def test_another_side_and_other_fingers_are_refused() -> None:
    human = load_hand("human16")
    pose, joints, names = _grasps(human, 1)
    mirrored = dataclasses.replace(human, R_base_palm=human.R_base_palm @ np.diag([1.0, -1.0, -1.0]))
    assert keypoints(mirrored).side != keypoints(human).side
    with pytest.raises(UserError, match="side"):
        retarget(human, mirrored, pose, joints, names)
    strange = dataclasses.replace(human, pad_names=("thumb", "a", "b", "c", "d"))
    with pytest.raises(UserError, match="in common"):
        retarget(human, strange, pose, joints, names)


@pytest.mark.slow  # they are searched for: half a minute
def test_an_unprepared_robot_gets_grasp_types(claw: Path) -> None:
    """From its URDF alone: fingers, thumb and palm are told, and its types do not run into themselves."""
    hand = load_hand(str(claw))
    assert hand.finger_names == ("thumb", "index", "middle")
    assert hand.active_names == ("thumb_0", "thumb_1", "index_0", "middle_0")
    assert set(hand.grasp_types) == set(load_hand("human16").grasp_types)
    joints = np.stack([g.joints for g in hand.grasp_types.values()])
    assert (self_depths(hand, joints) ** 2).sum(axis=1).max() < 1e-4
    assert self_depths(hand, joints).max() <= RUNS_IN
    np.testing.assert_allclose(hand.R_base_palm[:, 0], [1, 0, 0], atol=0.15)
    np.testing.assert_allclose(hand.R_base_palm[:, 2], [0, 0, 1], atol=0.15)


@pytest.mark.slow
def test_shadows_types_are_what_the_search_finds() -> None:
    """The card holds what `zdg hand fit` finds: pads as near to their goals, whatever the last bits."""
    hand, human = load_hand("shadow"), load_hand("human16")
    found = joints_like(hand, human, ["lift", "press"])
    for name, joints in found.items():
        stored = hand.grasp_types[name].joints
        base = np.array([0, 0, 0, 1.0, 0, 0, 0])
        gap = np.linalg.norm(posed(hand, base, joints, "pad") - posed(hand, base, stored, "pad"), axis=1)
        assert gap.max() < 0.005
