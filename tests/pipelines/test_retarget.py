"""`zdg retarget` from file to file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines import cli, provenance
from pipelines.dataset import read_dataset, write_dataset
from tests.pipelines.rows_as_grasps import grasps_of
from tests.pipelines.test_dataset import row
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import base_from_palm, posed
from zdg_jax.objects import load_object

SCAN = "ycb:006_mustard_bottle"


@pytest.fixture(scope="module")
def grasps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two grasps of human16 around a bottle, palm on its side, and a row that failed."""
    hand, obj = load_hand("human16"), load_object(SCAN)
    order = np.random.default_rng(0).permutation(len(hand.active_names))
    middle = obj.samples.points.mean(axis=0)
    side = middle + np.array([0.0, 0.0, float(np.ptp(obj.samples.points[:, 2])) / 2 + 0.01])
    R = np.stack([[1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]], axis=1)  # fingers to +x, palm to -z
    given = [
        row(
            grasp_id=f"g-{i}", object_id=obj.object_id, object_scale=obj.scale, mesh_sha256=obj.mesh_sha256,
            task="squeeze it", hand_pose=base_from_palm(hand, side - [0.06 + 0.01 * i, 0, 0], R),
            joints=hand.grasp_types["wrap-grasp"].joints[order], part_ids=(1,), grasp_type="wrap-grasp",
            contact_points=np.zeros((2, 3)), direction="front",
        )
        for i in range(2)
    ]  # fmt: skip
    info = provenance.table_info(
        {obj.object_id: provenance.object_info(obj, SCAN, None)}, hand, {}, provenance.versions()
    )
    info["joint_names"] = [hand.active_names[k] for k in order]
    return write_dataset(
        tmp_path_factory.mktemp("grasps"),
        grasps_of([*given, row("empty_region", grasp_id="g-none")], info["joint_names"]),
        info,
    ).parent


@pytest.mark.slow
def test_rows_of_the_new_hand_are_refined_and_simulated(
    grasps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["retarget", str(grasps), "--hand", "shadow", "--out", str(tmp_path / "out")]) == 0
    assert "1 failed" in capsys.readouterr().out
    table, info = read_dataset(tmp_path / "out")
    shadow, found = load_hand("shadow"), table.to_pylist()
    assert info["hand"] == "shadow"
    assert info["joint_names"] == list(shadow.active_names)
    found.sort(key=lambda r: r["grasp_id"])
    assert [r["grasp_id"] for r in found] == ["g-0-shadow", "g-1-shadow"]
    for r in found:
        assert r["status"] == "ok"
        joints = np.array(r["joints"])
        assert ((joints >= shadow.lower - 1e-5) & (joints <= shadow.upper + 1e-5)).all()
        assert r["p_dep_cm"] < 0.5
        assert np.isfinite(r["sim_dis_cm"])
    assert sorted(r["rank"] for r in found) == [0, 1]
    report = json.loads((tmp_path / "out" / "retarget.json").read_text())
    assert [r["source_grasp_id"] for r in report] == ["g-0", "g-1"]
    # what it says of the tips is what the retargeted grasp, before refinement, shows
    human, given = load_hand("human16"), read_dataset(grasps)
    order = [given[1]["joint_names"].index(j) for j in human.active_names]
    for r, old, told in zip(found, given[0].to_pylist()[:2], report, strict=True):
        want = posed(human, np.array(old["hand_pose"]), np.array(old["joints"])[order], "pad")
        got = posed(shadow, np.array(r["init_pose"]), np.array(r["init_joints"]), "pad")
        for f, error in told["tip_error_mm"].items():
            off = got[shadow.pad_names.index(f)] - want[human.pad_names.index(f)]
            assert error == pytest.approx(1000 * np.linalg.norm(off), abs=0.05)


@pytest.mark.slow
def test_a_file_of_another_hand_is_refused(
    grasps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Joints are found by name: a file that lacks some names them."""
    file = tmp_path / "dataset_info.json"
    (tmp_path / "grasps.parquet").write_bytes((grasps / "grasps.parquet").read_bytes())
    info = json.loads((grasps / "dataset_info.json").read_text())
    info["joint_names"] = [n.replace("ring_pip", "knee") for n in info["joint_names"]]
    file.write_text(json.dumps(info))
    assert cli.main(["retarget", str(tmp_path), "--hand", "shadow", "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ring_pip" in said
