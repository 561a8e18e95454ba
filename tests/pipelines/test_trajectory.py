"""Joint trajectories in the robot's own order."""

from __future__ import annotations

import numpy as np

from pipelines.trajectory import joint_path
from zdg_jax.hands import load_hand
from zdg_jax.hands.squeeze import opened_and_squeezed


def test_path_passes_all_three_poses_and_moves_followers() -> None:
    hand = load_hand("human16")
    grasp = np.stack([hand.grasp_types[k].joints for k in ("lift", "press")])
    pregrasp, squeeze = opened_and_squeezed(hand, grasp)
    path = joint_path(hand, pregrasp, grasp, squeeze, 5)
    assert path.shape == (2, 11, len(hand.joint_names))
    order = [hand.joint_names.index(j) for j in hand.active_names]
    for at, pose in ((0, pregrasp), (5, grasp), (10, squeeze)):
        np.testing.assert_allclose(path[:, at][:, order], pose, atol=1e-12)
    pip, dip = (hand.joint_names.index(j) for j in ("ring_pip", "ring_dip"))
    np.testing.assert_allclose(path[:, :, dip], 0.6 * path[:, :, pip], atol=1e-12)
