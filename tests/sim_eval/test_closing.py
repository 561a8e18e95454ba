from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sim_eval import backends
from sim_eval.closing import Closed, ClosingParams, close_hand
from sim_eval.convex import MJX_TEMPLATE
from sim_eval.metrics.self_penetration import self_penetration
from sim_eval.protocols import six_force
from sim_eval.simobject import sim_object
from tests.sim_eval.helpers import box
from tests.sim_eval.simulation import human16, shape, wrapped
from zdg_jax.hands.kinematics import posed_spheres


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grasps of the rod, a little moved and opened."""
    pose, joints = wrapped(human16(), ("rod",) * count)
    rng = np.random.default_rng(0)
    pose[:, :3] += rng.normal(size=(count, 3)) * 0.004
    return pose, joints * rng.uniform(0.7, 1.0, size=(count, 1))


def test_closed_grasps_rest_in_balance_and_hold() -> None:
    """Oracle: the protocol itself, whose course begins anew from the pregrasp."""
    pose, joints = rows(6)
    found = close_hand(human16(), shape("rod"), pose, joints)
    assert found.held.sum() >= 4
    held = found.held
    again = six_force.run(
        human16(), (shape("rod"),), np.zeros(held.sum(), int), found.hand_pose[held], found.pregrasp[held],
        found.joints[held], found.squeeze[held], backends.backend("c", 1),
    )  # fmt: skip
    assert again.success.mean() >= 0.7
    assert (again.start_depth_m < 0.003).all()
    limits = human16().lower - 1e-9, human16().upper + 1e-9
    for q in (found.joints[held], found.squeeze[held]):
        assert (q >= limits[0]).all()
        assert (q <= limits[1]).all()


def test_a_batch_is_its_rows_whatever_the_threads_and_a_bad_row_stays_alone() -> None:
    pose, joints = rows(3)
    pose[1, 0] = np.nan
    together = close_hand(human16(), shape("rod"), pose, joints, threads=2)
    assert not together.held[1]
    for row in (0, 2):
        alone = close_hand(human16(), shape("rod"), pose[row : row + 1], joints[row : row + 1])
        for name in (field.name for field in dataclasses.fields(Closed)):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[row])


def test_turning_hand_and_object_turns_the_result() -> None:
    R = Rotation.from_rotvec([0.3, -0.8, 0.5])
    mesh = box((0.03, 0.03, 0.2))
    turned = mesh.copy()
    turned.apply_transform(np.block([[R.as_matrix(), np.zeros((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]]))
    pose, joints = wrapped(human16(), ("rod",))
    moved = np.concatenate(
        [
            R.apply(pose[:, :3]),
            (R * Rotation.from_quat(pose[:, 3:], scalar_first=True)).as_quat(scalar_first=True),
        ],
        axis=1,
    )
    one = close_hand(human16(), sim_object(mesh, MJX_TEMPLATE), pose, joints)
    two = close_hand(human16(), sim_object(turned, MJX_TEMPLATE), moved, joints)
    assert one.held.all()
    assert two.held.all()
    np.testing.assert_allclose(two.hand_pose[:, :3], R.apply(one.hand_pose[:, :3]), atol=0.003)
    np.testing.assert_allclose(two.joints, one.joints, atol=0.1)


def test_nothing_to_hold_is_said() -> None:
    pose, joints = wrapped(human16(), ("rod",))
    pose[:, 1] += 0.5
    found = close_hand(human16(), shape("rod"), pose, joints)
    assert not found.held.any()
    assert np.isnan(found.hand_pose).all()


@pytest.mark.parametrize("force", [10.0, 20.0])
def test_the_squeeze_goes_beyond_the_grasp(force: float) -> None:
    """What presses is kp (squeeze - joints) and has to close fingers, not open them, on the whole."""
    pose, joints = rows(2)
    found = close_hand(human16(), shape("rod"), pose, joints, ClosingParams(force=force))
    pressed = (found.squeeze - found.joints)[found.held]
    closing = np.sign(joints - human16().open_joints)[found.held]
    assert (np.sum(pressed * closing, axis=1) > 0.1).all()


def test_the_thumb_stays_out_of_the_fingers() -> None:
    """A closed fist around a thin rod: refinement's own measure of self-penetration."""
    hand = human16()
    pose, joints = rows(3)
    found = close_hand(hand, shape("rod"), pose, joints)
    spheres = posed_spheres(hand, found.hand_pose[found.held], found.joints[found.held])
    assert found.held.any()
    assert self_penetration(spheres, hand.sphere_radius, hand.sphere_pairs).max() < 0.5
