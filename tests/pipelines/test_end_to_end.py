"""The stages in one process, from a pack, as on a machine without Ray."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from pipelines import end_to_end
from pipelines.cluster.packing import pack
from tests.pipelines.cluster.things import sticks


@pytest.mark.slow
def test_packed_here_and_run_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = pack(tmp_path / "pack", sticks(tmp_path), ("lift it", "hand it over"), "human16")
    assert size < 1_000_000
    out, report = tmp_path / "out", tmp_path / "report.json"
    small = ["--grasps", "64", "--num", "8", "--steps", "4", "--batch", "16"]
    assert (
        end_to_end.main(["run", str(tmp_path / "pack"), *small, "--out", str(out), "--json", str(report)])
        == 0
    )
    assert "grasps/s" in capsys.readouterr().out
    told = json.loads(report.read_text())
    assert told["compilations_after_first_batch"] == 0
    assert told["shapes_of_the_loop"] == 1
    rows = ds.dataset(out / "grasps").to_table().to_pylist()
    assert len(rows) == 64 == sum(told["status"].values())
    assert len({row["grasp_id"] for row in rows}) == 64
    ok = [row for row in rows if row["status"] == "ok"]
    assert ok
    assert all(row["sim_dis_cm"] is not None and row["rank"] is not None for row in ok)


def test_no_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"no pack")
    assert end_to_end.main(["run", str(tmp_path / "x")]) == 2
    assert "a file that `pack` wrote" in capsys.readouterr().err
