"""The stages in one process, from a pack, as on a machine without Ray."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from pipelines.cli import main
from tests.pipelines.cluster.things import sticks


@pytest.mark.slow
def test_packed_here_and_run_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack, out, report = (tmp_path / name for name in ("pack", "out", "report.json"))
    bench = ["bench", "end-to-end"]
    assert main([*bench, "--pack", str(pack), "--objects", ",".join(sticks(tmp_path))]) == 0
    assert pack.stat().st_size < 1_000_000
    small = ["--grasps", "64", "--num", "8", "--steps", "4", "--batch", "16"]
    assert main([*bench, "--file", str(pack), *small, "--out", str(out), "--json", str(report)]) == 0
    assert "grasps/s" in capsys.readouterr().out
    told = json.loads(report.read_text())
    (device,) = told["devices"]
    assert device["compilations_after_first_batch"] == 0
    assert device["shapes_of_the_loop"] == 1
    rows = ds.dataset(out / "device-0" / "grasps").to_table().to_pylist()
    assert len(rows) == 64 == told["grasps"] == sum(device["status"].values())
    assert len({row["grasp_id"] for row in rows}) == 64
    ok = [row for row in rows if row["status"] == "ok"]
    assert ok
    assert all(row["sim_dis_cm"] is not None and row["rank"] is not None for row in ok)

    holds, steps = tmp_path / "holds", ["--grasps", "32", "--num", "16", "--steps", "200", "--batch", "32"]
    asked = ["--protocol", "six_force", "--tried", "8", "--backend", "c", "--out", str(holds)]
    assert main([*bench, "--file", str(pack), *steps, *asked, "--json", str(report)]) == 0
    told = json.loads(report.read_text())
    rows = ds.dataset(holds / "device-0" / "grasps").to_table().to_pylist()
    ok = [row for row in rows if row["status"] == "ok"]
    assert 0 < len(ok) == told["kept"] <= 16
    assert all(row["six_force_suc"] and row["approach_free"] for row in ok)


@pytest.mark.slow
def test_no_pack(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"no pack")
    assert main(["bench", "end-to-end", "--file", str(tmp_path / "x")]) == 2
    told = capfd.readouterr().err
    assert "a file that `pack` wrote" in told
    assert "device 0" in told


def test_more_devices_than_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "end-to-end", "--file", "x", "--devices", "9000"]) == 2
    assert "a number up to" in capsys.readouterr().err
