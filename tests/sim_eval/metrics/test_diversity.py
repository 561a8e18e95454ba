"""Entropies of known distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sim_eval.metrics.diversity import (
    diversity,
    entropy,
    first_component_share,
    joint_entropies,
    position_entropy,
    rotation_entropy,
    wrist_turns,
)


def test_entropy_of_known_counts():
    assert entropy(np.array([5, 0, 0])) == 0.0
    np.testing.assert_allclose(entropy(np.full(8, 3)), np.log(8))
    np.testing.assert_allclose(entropy(np.array([1, 3])), -0.25 * np.log(0.25) - 0.75 * np.log(0.75))
    assert np.isnan(entropy(np.zeros(4, int)))


def test_joints_spread_evenly_over_their_range():
    lower, upper = np.array([-1.0, 0.0, -0.3]), np.array([1.0, 2.0, 0.3])
    even = lower + (upper - lower) * (np.arange(1000)[:, None] + 0.5) / 1000
    np.testing.assert_allclose(joint_entropies(even, lower, upper), np.log(100), rtol=1e-9)
    np.testing.assert_allclose(joint_entropies(np.tile(even[:1], (50, 1)), lower, upper), 0.0)
    half = even.copy()
    half[:, 1] = np.where(np.arange(1000) % 2, 0.005, 1.995)
    np.testing.assert_allclose(joint_entropies(half, lower, upper)[1], np.log(2))


def test_a_joint_beyond_its_limit_is_counted():
    beyond = np.array([[-5.0], [5.0], [1.0]])
    np.testing.assert_allclose(
        joint_entropies(beyond, np.array([-1.0]), np.array([1.0])), [entropy_of([1, 2])]
    )


def entropy_of(values):
    return entropy(np.array(values))


def test_a_normal_angle():
    """Differential entropy of a normal, minus the bin's width: ln(σ √(2πe)) - ln Δ, to 1 %."""
    x = np.random.default_rng(0).normal(scale=0.1, size=(200_000, 1))
    want = np.log(0.1 * np.sqrt(2 * np.pi * np.e)) - np.log(0.02)
    np.testing.assert_allclose(joint_entropies(x, np.array([-1.0]), np.array([1.0]))[0], want, rtol=0.01)


def test_positions_in_eight_cells():
    corner = 0.01 + 0.02 * np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    np.testing.assert_allclose(position_entropy(np.repeat(corner, 5, axis=0)), np.log(8))
    assert position_entropy(corner[:1] + 1e-4 * np.random.default_rng(0).random((30, 3))) == 0.0


def test_turns():
    uniform = np.roll(Rotation.random(60_000, rng=np.random.default_rng(0)).as_quat(), 1, axis=1)
    np.testing.assert_allclose(rotation_entropy(uniform), np.log(60), rtol=0.01)
    assert rotation_entropy(np.concatenate([uniform[:1], -uniform[:1]])) == 0.0
    cells = np.roll(Rotation.create_group("I").as_quat()[:12], 1, axis=1)
    np.testing.assert_allclose(rotation_entropy(cells), np.log(12))


def test_a_set_leaves_out_rows_that_are_not_finite():
    rng = np.random.default_rng(0)
    pose = np.concatenate([rng.normal(size=(20, 3)), np.tile([1.0, 0, 0, 0], (20, 1))], axis=1)
    joints = rng.uniform(-1, 1, size=(20, 2))
    low, high = np.full(2, -1.0), np.full(2, 1.0)
    pose[3, 0], joints[7, 1] = np.nan, np.inf
    kept = [i for i in range(20) if i not in (3, 7)]
    found = diversity(pose, joints, low, high)
    assert found == diversity(pose[kept], joints[kept], low, high)
    assert found.count == 18
    assert found.joint_entropy_mean <= np.log(18)
    assert np.isnan(diversity(pose[[3]], joints[[3]], low, high).joint_entropy_mean)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_quaternion_need_not_be_unit(scale):
    quats = np.random.default_rng(1).normal(size=(50, 4))
    np.testing.assert_allclose(rotation_entropy(scale * quats), rotation_entropy(quats))


def test_share_of_the_first_component_of_known_spreads():
    """Grasps that differ along x, about z and in one joint, uncorrelated, with variances 1 : 4 : 16."""
    signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], float)
    pose = np.zeros((8, 7))
    pose[:, 0] = 0.3 + 0.01 * signs[:, 0]
    pose[:, 3:] = np.roll(Rotation.from_rotvec(0.02 * signs[:, 1:2] * [[0, 0, 1.0]]).as_quat(), 1, axis=1)
    joints = np.tile([0.5, 0.2], (8, 1)) + 0.04 * signs[:, 2:] * [[0.0, 1.0]]
    assert first_component_share(pose, joints) == pytest.approx(16 / 21)
    assert first_component_share(pose * [1, 1, 1, -1, -1, -1, -1], joints) == pytest.approx(16 / 21)
    line = np.linspace(0, 1, 5)[:, None] * np.ones((1, 4))
    assert first_component_share(np.tile(pose[:1], (5, 1)), line) == pytest.approx(1.0)
    assert np.isnan(first_component_share(pose[:1], joints[:1]))
    assert np.isnan(first_component_share(np.tile(pose[:1], (9, 1)), np.tile(joints[:1], (9, 1))))


def test_share_of_the_first_component_against_scikit_learn():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    turns = Rotation.random(200, rng=rng)
    pose = np.concatenate([0.1 * rng.normal(size=(200, 3)), np.roll(turns.as_quat(), 1, axis=1)], axis=1)
    joints = rng.normal(size=(200, 16)) @ rng.normal(size=(16, 16))
    table = np.concatenate([pose[:, :3], turns.as_rotvec(), joints], axis=1)
    want = PCA().fit(table).explained_variance_ratio_[0]
    assert first_component_share(pose, joints) == pytest.approx(want)


def test_wrist_turns_are_angles_between_pairs_whatever_the_signs() -> None:
    q = Rotation.from_euler("z", [[0.0], [90.0], [180.0]], degrees=True).as_quat(scalar_first=True)
    np.testing.assert_allclose(wrist_turns(q * [[1.0], [-2.0], [1.0]]), [135.0, 90.0, 135.0], atol=1e-5)
    assert np.isnan(wrist_turns(q[:1])).all()
