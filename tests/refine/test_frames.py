from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from zdg_jax.refine.variables import to_field, to_object


def poses(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(*shape, 4))
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    return np.concatenate([rng.normal(size=(*shape, 3)), q], axis=-1)


@given(st.integers(0, 10_000), st.sampled_from([(), (5,), (2, 3)]))
@settings(max_examples=30)
def test_there_and_back(seed: int, shape: tuple[int, ...]) -> None:
    R = Rotation.random(random_state=seed).as_matrix()
    pose = poses(seed, shape)
    pose[..., 3:] *= np.where(pose[..., 3:4] < 0, -1, 1)
    np.testing.assert_allclose(to_object(R, to_field(R, pose)), pose, atol=1e-14)
    assert (to_object(R, poses(seed + 1, shape))[..., 3] >= 0).all()


def test_a_point_of_the_hand_moves_with_its_pose() -> None:
    R, pose = Rotation.random(random_state=0).as_matrix(), poses(1, (4,))
    turned = to_field(R, pose)
    p = np.array([0.1, -0.2, 0.3])
    at = [Rotation.from_quat(x[:, [4, 5, 6, 3]]).apply(p) + x[:, :3] for x in (pose, turned)]
    np.testing.assert_allclose(at[0] @ R.T, at[1], atol=1e-14)


def test_a_bad_row_stays_alone() -> None:
    pose = poses(2, (3,))
    bad = pose.copy()
    bad[1, 0] = np.nan
    got = to_field(np.eye(3), bad)
    assert np.isnan(got[1, :3]).any()
    np.testing.assert_array_equal(got[[0, 2]], to_field(np.eye(3), pose)[[0, 2]])
