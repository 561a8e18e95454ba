from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import dataset
from tests.pipelines.rows_as_grasps import grasps_of
from zdg_jax.arrow import array, schema
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.refine.energies import TERMS

INFO = {"hand": "human16", "joint_names": ["a", "b", "c"], "frames": {}, "units": {}}


def row(status: str = "ok", **values: object) -> dict[str, object]:
    return {
        "grasp_id": "t-0000",
        "task_id": "t",
        "object_id": "ycb:025_mug",
        "object_scale": 1.0,
        "mesh_sha256": "00",
        "hand": "human16",
        "task": "drink from it",
        "reasoner": "offline",
        "status": status,
        "status_reason": "" if status == "ok" else "why",
        "seed": 0,
        "config_sha": "11",
        "code_version": "0.1.0",
        "calls": [],
        **values,
    }


def made(rows: list[dict[str, object]]) -> Grasps:
    return grasps_of(rows, INFO["joint_names"])


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pose, joints, points = (rng.normal(size=s).astype(np.float32) for s in ((7,), (3,), (2, 3)))
    call = {
        "stage": "view",
        "provider": "offline",
        "model": "m",
        "prompt_sha": "s",
        "attempts": 1,
        "latency_s": 0.5,
    }
    good = row(
        hand_pose=pose,
        joints=joints,
        contact_points=points,
        part_ids=(2, 5),
        energy={t: float(i) for i, t in enumerate(TERMS)},
        energy_total=np.float32(3.5),
        sim_suc=np.bool_(True),
        calls=[call],
    )
    path = dataset.write_dataset(tmp_path, made([good, row("empty_region", grasp_id="t-0001")]), INFO)
    table, info = dataset.read_dataset(path)
    assert info["joint_names"] == ["a", "b", "c"]
    assert table.schema.equals(schema(3))
    assert table["status"].to_pylist() == ["ok", "empty_region"]
    np.testing.assert_array_equal(array(table, "hand_pose")[0], pose)
    np.testing.assert_array_equal(array(table, "contact_points")[0], points)
    assert np.isnan(array(table, "joints")[1]).all()
    first, second = table.to_pylist()
    assert first["part_ids"] == [2, 5]
    assert first["energy"]["pip"] == 6.0
    assert first["sim_suc"] is True
    assert first["calls"][0]["cost_usd"] is None
    assert np.isnan(second["hand_pose"]).all()
    assert second["status_reason"] == "why"


def test_it_is_compressed_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    path = dataset.write_dataset(tmp_path, made([row()]), INFO)
    meta = pq.ParquetFile(path).metadata
    assert meta.row_group(0).column(0).compression == "ZSTD"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "dataset_info.json", "grasps.parquet"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dataset.write_atomic(tmp_path / "f", b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        dataset.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_reading_what_is_not_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        dataset.read_dataset(tmp_path / "none.parquet")
    (tmp_path / "grasps.parquet").write_text("hello")
    with pytest.raises(UserError, match="not a parquet"):
        dataset.read_dataset(tmp_path)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "grasps.parquet")
    with pytest.raises(UserError, match="dataset_info"):
        dataset.read_dataset(tmp_path)
    (tmp_path / "dataset_info.json").write_text(json.dumps(INFO))
    with pytest.raises(UserError, match="without grasp_id"):
        dataset.read_dataset(tmp_path)


def test_a_readme_of_the_users_stays_and_our_own_is_written_again(tmp_path: Path) -> None:
    for _ in range(2):
        dataset.write_dataset(tmp_path, made([row()]), INFO)
        assert not (tmp_path / "dataset_card.md").exists()
    (tmp_path / "README.md").write_text("# My project\n")
    dataset.write_dataset(tmp_path, made([row()]), INFO)
    assert (tmp_path / "README.md").read_text() == "# My project\n"
    assert "data_files" in (tmp_path / "dataset_card.md").read_text()


def test_a_file_without_a_row_is_one_line(tmp_path: Path) -> None:
    path = dataset.write_dataset(tmp_path, made([row()]), INFO)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(UserError, match="without a grasp"):
        dataset.load_grasps(tmp_path)


def test_names_of_others_cannot_write_the_card(tmp_path: Path) -> None:
    hostile = row(object_id="b\n---\n\x1b[31m# x", task="lift it\nconfigs:\ud83d")
    dataset.write_dataset(tmp_path, made([hostile]), INFO)
    *_, last = (tmp_path / dataset.CARD_FILE).read_text(encoding="utf-8").splitlines()
    assert last == "- b --- \\x1b[31m# x: lift it configs:\\ud83d"


def test_absurd_poses_of_a_file_are_no_numbers(tmp_path: Path) -> None:
    far = row(hand_pose=np.array([0, 1e30, 0, 1, 0, 0, 0]), joints=np.array([0.5, -1e30, np.inf]))
    dataset.write_dataset(tmp_path, made([far, row(grasp_id="t-1", joints=np.array([0.1, 0.2, 0.3]))]), INFO)
    grasps, _ = dataset.load_grasps(tmp_path)
    assert np.isnan(grasps.hand_pose[0, 1])
    assert np.isnan(grasps.joints[0]).any()
    np.testing.assert_allclose(grasps.joints[1], [0.1, 0.2, 0.3])
    grasps.to_table()


def test_what_is_no_pose_is_not_ok_whatever_the_file_says(tmp_path: Path) -> None:
    pose, joints, odd = np.array([0, 0, 0, 1.0, 0, 0, 0]), np.array([0.1, 0.2, 0.3]), np.full(3, np.nan)
    given = [(pose, joints), (0 * pose, joints), (np.nan * pose, joints), (1e9 * pose, joints), (pose, odd)]
    rows = [row(grasp_id=f"t-{k}", hand_pose=p, joints=j) for k, (p, j) in enumerate(given)]
    dataset.write_dataset(tmp_path, made([*rows, row("empty_region", grasp_id="t-9")]), INFO)
    grasps, _ = dataset.load_grasps(tmp_path)
    assert grasps.status_name.tolist() == ["ok", *["invalid_pose"] * 4, "empty_region"]
    assert all(grasps.status_reason[1:5])
    assert grasps.status_reason[5] == "why"
