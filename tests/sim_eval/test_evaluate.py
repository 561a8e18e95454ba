"""The whole evaluation of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sim_eval.evaluate import evaluate
from tests.sim_eval.helpers import as_object, grasps, hand, sphere
from zdg_jax.columns import measured
from zdg_jax.errors import UserError

OBJECT = as_object(trimesh.creation.capsule(height=0.15, radius=0.015, count=(16, 16)))
COLUMNS = {
    *(column.name for column in measured() if "correct" not in column.of),
    "sim_dis_cm", "sim_suc", "contact_end", "contact_every_step", "sim_depth_cm", "status",
    "status_reason",
}  # fmt: skip


@pytest.fixture(scope="module")
def batch():
    pose, joints = grasps(OBJECT.mesh, 6)
    pose[5, :3] = [0.0, 3.0, 0.0]  # far off
    return pose, joints


@pytest.fixture(scope="module")
def columns(batch):
    return evaluate(hand(), OBJECT, *batch)


def test_columns(columns):
    assert set(columns) == COLUMNS
    assert {len(v) for v in columns.values()} == {6}
    assert set(columns["status"]) == {"ok"}
    empty = evaluate(hand(), OBJECT, np.zeros((0, 7)), np.zeros((0, 16)))
    assert set(empty) == COLUMNS
    assert {k: v.dtype.kind for k, v in empty.items()} == {k: v.dtype.kind for k, v in columns.items()}


def test_a_hand_far_off(columns):
    row = {k: v[5] for k, v in columns.items()}
    assert (row["p_dep_cm"], row["p_dep_object_cm"], row["p_vol_cm3"]) == (0.0, 0.0, 0.0)
    np.testing.assert_allclose(row["sim_dis_cm"], 10.7, rtol=0.01)
    assert not any(row[name] for name in ("sim_suc", "contact_end", "contact_5mm"))
    np.testing.assert_allclose(row["contact_gap_cm"], 300, rtol=0.1)


def test_volume_and_depth_agree_on_who_penetrates(columns):
    assert (columns["p_vol_cm3"] > 0).sum() >= 3
    deep = columns["p_dep_cm"] > 0.05
    assert (columns["p_vol_cm3"][deep] > 0).all()
    assert (columns["contact_5mm"] >= columns["contact_2mm"]).all()
    assert (columns["contact_every_step"] <= columns["contact_end"]).all()


def test_success_needs_contact_and_shallow_hands(columns):
    np.testing.assert_array_equal(
        columns["sim_suc"], columns["contact_every_step"] & (columns["p_dep_cm"] <= 1.0)
    )


def test_rows_do_not_touch_each_other(batch, columns):
    pose, joints = (x.copy() for x in batch)
    joints[1, 3] = np.nan
    pose[4, 0] = np.inf
    got = evaluate(hand(), OBJECT, pose, joints, threads=2)
    np.testing.assert_array_equal(got["status"], ["ok", "invalid_pose", "ok", "ok", "invalid_pose", "ok"])
    good = [0, 2, 3, 5]
    for name in COLUMNS:
        np.testing.assert_array_equal(got[name][good], columns[name][good], err_msg=name)
    for name in ("p_dep_cm", "p_dep_object_cm", "p_vol_cm3", "sim_dis_cm", "contact_gap_cm"):
        assert np.isnan(got[name][[1, 4]]).all(), name
    for name in ("sim_suc", "contact_end", "contact_every_step", "contact_5mm"):
        assert not got[name][[1, 4]].any(), name


def test_part_measures(batch):
    everywhere = np.ones(len(OBJECT.samples.points), bool)
    got = evaluate(hand(), OBJECT, *batch, part=everywhere)
    np.testing.assert_array_equal(got["part_acc"], got["contact_5mm"].astype(float))
    np.testing.assert_array_equal(got["sc_ratio"], (got["contact_fingers"] > 0).astype(float))
    got = evaluate(hand(), OBJECT, *batch, part=~everywhere)
    assert not got["part_acc"].any()
    assert not got["sc_ratio"].any()


def test_an_object_without_a_solid_gets_a_status(batch):
    flat = as_object(trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]], [[0, 1, 2]]), samples=50)
    got = evaluate(hand(), flat, *batch)
    assert set(got["status"]) == {"bad_object"}
    assert all(got["status_reason"])
    assert not got["sim_suc"].any()
    assert np.isnan(got["sim_dis_cm"]).all()


@pytest.mark.slow
def test_an_open_object_is_measured_and_says_how(batch):
    mesh = sphere(0.04, level=3)
    mesh.update_faces(np.arange(len(mesh.faces)) != 3)
    got = evaluate(hand(), as_object(mesh), *batch)
    assert set(got["p_vol_method"]) == {"voxel"}
    assert set(got["status"]) == {"ok"}
    assert all("bounds no solid" in reason for reason in got["status_reason"])


def test_unknown_protocol(batch):
    with pytest.raises(UserError, match="gravity"):
        evaluate(hand(), OBJECT, *batch, protocol="levity")


@pytest.mark.parametrize("protocol", ["gravity_hold", "six_force"])
def test_protocols_with_an_actuated_hand(batch, protocol):
    pose, joints = batch
    got = evaluate(hand(), OBJECT, pose[[0, 5]], joints[[0, 5]], protocol, backend="c")
    own = {f"{protocol}_{name}" for name in ("suc", "dis_cm", "turn_deg", "depth_cm", "held")}
    gravity = {"sim_dis_cm", "sim_suc", "contact_end", "contact_every_step", "sim_depth_cm"}
    assert set(got) == (COLUMNS - gravity) | own
    assert set(got["status"]) == {"ok"}
    assert not got[f"{protocol}_suc"][1]  # far off
    assert got[f"{protocol}_dis_cm"][1] > 5.0
    empty = evaluate(hand(), OBJECT, np.zeros((0, 7)), np.zeros((0, 16)), protocol)
    assert set(empty) == set(got)
    flat = as_object(trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]], [[0, 1, 2]]), samples=50)
    refused = evaluate(hand(), flat, pose[:1], joints[:1], protocol)
    assert set(refused) == set(got)
    assert (refused["status"][0], refused[f"{protocol}_suc"][0]) == ("bad_object", False)


def test_unknown_backend(batch):
    with pytest.raises(UserError, match="mjx, warp, c"):
        evaluate(hand(), OBJECT, *batch, backend="bullet")
