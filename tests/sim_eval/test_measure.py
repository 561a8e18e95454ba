"""A contract over every measured column: rows apart, bad rows apart, and nothing changes with the frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from sim_eval.evaluate import GraspedObject, measure_shape, object_frame
from tests.sim_eval.helpers import as_object, box, grasps, hand, sphere
from zdg_jax.columns import measured

OBJECT = as_object(trimesh.creation.capsule(height=0.1, radius=0.02, count=(16, 16)))
PART = OBJECT.samples.points[:, 2] > OBJECT.mesh.bounds[:, 2].mean()
ALL = {column.name: column.kind for column in measured()}
KINDS = {"real": "f", "flag": "b", "count": "i", "text": "U"}
COUNT = 8


@pytest.fixture(scope="module")
def batch():
    pose, joints = grasps(OBJECT.mesh, COUNT, seed=8)  # one of them is in force closure
    names = hand().active_names
    joints[5, [names.index("index_spread"), names.index("middle_spread")]] = 0.35, -0.17  # crossed fingers
    return pose, joints


@pytest.fixture(scope="module")
def columns(batch):
    return measure_shape(hand(), OBJECT, *batch, PART)


def test_the_batch_tells_things_apart(columns):
    """Else the tests below would compare constants."""
    for name in set(ALL) - {"p_vol_method", "contact_5mm", "contact_2mm", "contact_gap_cm"}:
        assert len(np.unique(columns[name])) > 1, name


@pytest.mark.parametrize("name", ALL)
def test_kind_and_range(columns, name):
    values = columns[name]
    assert values.shape == (COUNT,)
    assert values.dtype.kind == KINDS[ALL[name]]
    if name == "opposition":  # a cosine, or NaN where thumb or fingers do not touch
        assert (np.isnan(values) | (np.abs(values) <= 1.0)).all()
    elif values.dtype.kind in "fi":
        assert (values >= 0).all()
    empty = measure_shape(hand(), OBJECT, np.zeros((0, 7)), np.zeros((0, 16)), PART)[name]
    assert empty.shape == (0,)
    assert empty.dtype.kind == values.dtype.kind


@pytest.fixture(scope="module")
def single(batch):
    pose, joints = batch
    return [measure_shape(hand(), OBJECT, pose[i : i + 1], joints[i : i + 1], PART) for i in range(COUNT)]


@pytest.mark.parametrize("name", ALL)
def test_a_batch_is_its_rows(columns, single, name):
    alone = np.concatenate([row[name] for row in single])
    if alone.dtype.kind == "f":
        # float32 kinematics of another batch size
        np.testing.assert_allclose(alone, columns[name], rtol=1e-3, atol=2e-4)
    else:
        np.testing.assert_array_equal(alone, columns[name])


@pytest.fixture(scope="module")
def spoilt(batch):
    pose, joints = (x.copy() for x in batch)
    joints[1, 3], pose[4, 0], pose[6, 3:] = np.nan, np.inf, 0.0
    return measure_shape(hand(), OBJECT, pose, joints, PART)


@pytest.mark.parametrize("name", ALL)
def test_a_bad_row_is_never_a_success_and_stays_alone(columns, spoilt, name):
    bad = [1, 4, 6]  # NaN joint, infinite position, no quaternion at all
    for value in spoilt[name][bad]:
        assert np.isnan(value) if ALL[name] == "real" else not value
    good = np.setdiff1d(np.arange(COUNT), bad)
    np.testing.assert_array_equal(spoilt[name][good], columns[name][good])


@pytest.fixture(scope="module")
def moved(batch):
    pose, joints = batch
    turn, t = Rotation.from_rotvec([0.3, -1.1, 0.7]), np.array([0.2, -0.1, 0.4])
    R = turn.as_matrix()
    mesh = trimesh.Trimesh(OBJECT.mesh.vertices @ R.T + t, OBJECT.mesh.faces, process=False)
    samples = dataclasses.replace(
        OBJECT.samples, points=OBJECT.samples.points @ R.T + t, normals=OBJECT.samples.normals @ R.T
    )
    obj = object.__new__(type(OBJECT))
    obj.__dict__.update({**OBJECT.__dict__, "mesh": mesh, "samples": samples})
    quat = turn * Rotation.from_quat(np.roll(pose[:, 3:], -1, axis=1))
    there = np.concatenate([pose[:, :3] @ R.T + t, np.roll(quat.as_quat(), 1, axis=1)], axis=1)
    return measure_shape(hand(), obj, there, joints, PART)


@pytest.mark.parametrize("name", ALL)
def test_moving_hand_and_object_together_changes_nothing(columns, moved, name):
    before, after = columns[name], moved[name]
    if name == "p_vol_voxel_cm3":  # counted on a lattice that stays behind
        np.testing.assert_allclose(after.sum(), before.sum(), rtol=0.1)
    elif name in ("fc_epsilon", "fc_min_weight"):  # the eight edges' phase does not turn with the object
        np.testing.assert_allclose(after, before, rtol=0.15, atol=2e-3)
    elif name == "opposition":  # a vertex at 5 mm may change sides
        np.testing.assert_allclose(after, before, atol=0.02)
    elif before.dtype.kind == "f":
        np.testing.assert_allclose(after, before, rtol=2e-3, atol=5e-4)
    else:
        np.testing.assert_array_equal(after, before)


def test_centre_and_length_of_a_ball_and_of_an_open_shell():
    whole = as_object(sphere(0.04, (0.1, 0, 0), 4))
    center, length = object_frame(whole)
    np.testing.assert_allclose(center, [0.1, 0, 0], atol=1e-4)
    np.testing.assert_allclose(length, 0.04, rtol=0.01)
    shell = sphere(0.04, (0.1, 0, 0), 4)
    shell.update_faces(np.arange(len(shell.faces)) != 5)
    np.testing.assert_allclose(object_frame(as_object(shell))[0], [0.1, 0, 0], atol=3e-3)


def test_voxels_of_the_literature_against_the_exact_volume():
    """A hand flat in a block whose sides lie on the lattice: 5 mm voxels come near, not to 1 %."""
    model = hand()
    pose = np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    block = as_object(box((0.4, 0.4, 0.1), (0.05, 0.0, 0.0)))
    row = {k: v[0] for k, v in measure_shape(model, block, pose, model.open_joints[None]).items()}
    assert row["p_vol_cm3"] > 100  # the whole hand
    np.testing.assert_allclose(row["p_vol_voxel_cm3"], row["p_vol_cm3"], rtol=0.05)


def test_any_object_with_a_surface_can_be_measured():
    assert isinstance(OBJECT, GraspedObject)
    assert not isinstance(OBJECT.mesh, GraspedObject)
