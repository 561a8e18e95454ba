"""Laws of the one noun: rows stay together, and what is written is read back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zdg_jax.arrow import schema
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps, concat
from zdg_jax.refine.energies import TERMS
from zdg_jax.status import Status, codes, names, page

JOINTS = ("a", "b", "c")
TASK = {
    "task_id": "t", "object_id": "ycb:025_mug", "object_scale": 1.0, "mesh_sha256": "00", "task": "drink",
    "reasoner": "offline", "seed": 3, "config_sha": "11", "code_version": "0.1.0", "part_ids": (2, 5),
    "contact_points": np.array([[1.0, 2, 3], [4, 5, 6]]), "direction": "front", "grasp_type": "lift",
    "rotation_index": 1, "view_index": 2, "calls": [], "answered_by": ["m"],
}  # fmt: skip


def batch(n: int, seed: int = 0, task: dict | None = None) -> Grasps:
    rng = np.random.default_rng(seed)
    return Grasps.of(
        "toy", JOINTS, rng.normal(size=(n, 7)), rng.normal(size=(n, 3)),
        status=["ok", "stopped", "refine_nan"][:1] * (n - 1) + ["stopped"],
        columns={
            "start": np.arange(n), "score": rng.normal(size=n), "sim_suc": np.arange(n) % 2 == 0,
            "contact_number": np.arange(n), "p_dep_cm": np.where(np.arange(n) == 1, np.nan, 0.1),
            **{f"energy.{t}": rng.normal(size=n) for t in TERMS},
        },
        tasks=(TASK | (task or {}),),
    )  # fmt: skip


def same(a: Grasps, b: Grasps) -> None:
    assert (a.hand, a.joint_names) == (b.hand, b.joint_names)
    for name in ("hand_pose", "joints", "pregrasp_pose", "pregrasp", "squeeze"):
        np.testing.assert_array_equal(
            getattr(a, name).astype(np.float32), getattr(b, name).astype(np.float32), err_msg=name
        )
    assert a.status_name.tolist() == b.status_name.tolist()
    assert list(a.status_reason) == list(b.status_reason)


def rows_of(grasps: Grasps) -> str:
    """As text, in which NaN equals NaN."""
    return str(grasps.to_table().to_pylist())


def test_a_mask_and_numbers_take_the_same_rows_and_concat_undoes_it() -> None:
    whole = batch(6)
    even = np.arange(6) % 2 == 0
    same(whole.take(even), whole.take(np.array([0, 2, 4])))
    again = concat([whole.take(np.arange(2)), whole.take(np.arange(2, 6))])
    same(again, whole)
    np.testing.assert_array_equal(again["score"], whole["score"])
    assert rows_of(again) == rows_of(whole)


def test_a_missing_column_is_missing_in_its_rows_only() -> None:
    more = batch(2).with_columns(
        {"six_force_suc": np.array([True, False]), "squeeze_way": np.array(["x", "y"])}
    )
    both = concat([more, Grasps.failed("toy", JOINTS, "empty_region", "why", TASK)])
    rows = both.to_table().to_pylist()
    assert [r["six_force_suc"] for r in rows] == [True, False, None]
    assert [r["squeeze_way"] for r in rows] == ["x", "y", None]
    assert rows[2]["grasp_id"] == "t-3-none"
    assert (rows[2]["status"], rows[2]["energy_total"], rows[2]["energy"]) == (
        "empty_region",
        None,
        None,
    )
    assert np.isnan(rows[2]["hand_pose"]).all()


def test_the_order_is_rank_then_status_then_score() -> None:
    grasps = batch(5)
    order = grasps.order()
    assert order[-1] == 4  # stopped
    assert (np.diff(grasps["score"][order[:4]]) > 0).all()
    ranked = grasps.with_columns({"rank": np.array([4, 3, 2, 1, 0])})
    assert ranked.order().tolist() == [4, 3, 2, 1, 0]
    assert len(ranked.best(2)) == 2


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    grasps = concat([batch(3), batch(4, 1, {"task_id": "u", "contact_points": None, "part_ids": None})])
    again = Grasps.load(grasps.save(tmp_path / "x.parquet"))
    same(again, grasps)
    assert again["grasp_id"][0] == "t-3-0000"
    assert again["grasp_id"][6] == "u-3-0003"
    assert again["sim_suc"].dtype == bool
    assert again["contact_number"].dtype == np.int64
    assert np.isnan(again["p_dep_cm"][1])
    assert [t["task_id"] for t in again.tasks] == ["t", "u"]
    assert again.task_index.tolist() == [0] * 3 + [1] * 4
    for name in (f"energy.{t}" for t in TERMS):
        np.testing.assert_array_equal(again[name], grasps[name])
    assert rows_of(again) == rows_of(grasps)


def test_a_file_with_nulls_in_its_lists_is_read(tmp_path: Path) -> None:
    """As it was written before."""
    table = batch(2).to_table()
    poses = pa.array([table["hand_pose"][0].as_py(), None], pa.list_(pa.float32(), 7))
    old = table.set_column(table.column_names.index("hand_pose"), "hand_pose", poses)
    old = old.drop_columns(["pregrasp_pose", "answered_by"]).replace_schema_metadata(None)
    grasps = Grasps.from_table(old, "toy", JOINTS)
    assert np.isnan(grasps.hand_pose[1]).all()
    assert np.isnan(grasps.pregrasp_pose).all()


def test_lists_are_never_null() -> None:
    """Readers differ over a null in a list of fixed size."""
    table = concat([batch(1), Grasps.failed("toy", JOINTS, "bad_object", "", TASK)]).to_table()
    for f in table.schema:
        if pa.types.is_fixed_size_list(f.type):
            assert table[f.name].null_count == 0, f.name
    pq.read_table(io.BytesIO(_bytes(table)))


def _bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_schema_says_type_and_whether_a_value_must_be_there() -> None:
    made = schema(3)
    assert made.field("hand_pose").type == pa.list_(pa.float32(), 7)
    assert made.field("joints").type == pa.list_(pa.float32(), 3)
    assert made.field("contact_points").type == pa.list_(pa.list_(pa.float32(), 3), 2)
    assert [f.name for f in made.field("energy").type] == list(TERMS)
    assert not made.field("task_id").nullable


def test_an_unknown_column_and_a_missing_identity_are_refused() -> None:
    with pytest.raises(KeyError, match="bogus"):
        batch(2).with_columns({"bogus": np.zeros(2)}).to_table()
    with pytest.raises(pa.ArrowInvalid, match="task"):
        batch(2, task={"task": None}).to_table()
    with pytest.raises(ValueError, match="expected 2"):
        batch(2).with_columns({"rank": np.zeros(3)})
    with pytest.raises(KeyError, match="there are start"):
        batch(1)["nothing"]
    with pytest.raises(UserError, match="no file"):
        Grasps.load("/nowhere")


def test_every_status_has_a_sentence_and_a_code_of_its_own() -> None:
    everyone = np.array([str(s) for s in Status])
    np.testing.assert_array_equal(names(codes(everyone)), everyone)
    assert all(s.sentence.endswith(".") for s in Status)
    assert Path("docs/statuses.md").read_text(encoding="utf-8") == page()
    outside = Grasps.of(
        "toy", JOINTS, np.zeros((1, 7)), np.zeros((1, 3)), status=["mine"], status_reason=["x"]
    )
    assert (outside.status_name[0], outside.status_reason[0]) == ("other", "mine: x")
    later = batch(1).with_columns({"status": np.array(["mine"]), "status_reason": np.array(["x"], object)})
    assert (later.status_name[0], later.status_reason[0]) == ("other", "mine: x")
