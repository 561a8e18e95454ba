"""`zdg bench hold`: what is kept is judged again, and one object that can't be read stops no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.bench_hold import DISTURBANCES, SCANS, table
from pipelines.cli import main
from pipelines.inline import synthesize
from sim_eval.metrics.diversity import wrist_turns
from tests.pipelines.cluster.things import sticks
from zdg_jax.objects import ycb_names


def test_scans_are_there() -> None:
    assert len(SCANS) == 31
    assert set(SCANS) <= set(ycb_names())


def test_table_weighs_by_grasps() -> None:
    """An object of three grasps counts thrice, one without any not at all."""
    held = {name: [1.0] for name in DISTURBANCES}
    gap = {"pregrasp_gap_cm": [0.6]}
    objects = [
        {"object_id": "a", "kept": 1, "held": held, "columns": gap},
        {
            "object_id": "b",
            "kept": 3,
            "held": {name: [0.0, 0.0, 1.0] for name in DISTURBANCES},
            "columns": {},
        },
        {"object_id": "c", "kept": 0, "held": {}, "columns": {}},
    ]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table({"objects": objects}).split("\n")
    ]
    heads, a, b, c, everything = rows[0], *rows[2:]
    place = heads.index("1 mm")
    assert [row[place] for row in (a, b, c, everything)] == ["100", "33.3", "-", "50"]
    assert everything[:2] == ["all", "4"]
    assert everything[heads.index("pregrasp_gap_cm")] == "0.6"


@pytest.mark.slow
def test_judges_what_synth_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a disturbance the verdicts are those that the grasps were kept by; a folder is no mesh."""
    stick, report = sticks(tmp_path)[0], tmp_path / "report.json"
    small = ["--num", "8", "--keep", "2", "--draws", "1", "--workers", "1"]
    asked = ["bench", "hold", "--objects", f"{stick},{tmp_path}/none.stl", *small, "--json", str(report)]
    assert main(asked) == 0
    found, missing = json.loads(report.read_text())["objects"]
    assert found["status"] == "ok"
    assert found["kept"] == 2
    assert all(len(share) == 2 for share in found["held"].values())
    assert missing["status"].startswith("refused: got")
    assert main(["synth", stick, "lift it", "--num", "8", "--keep", "2", "--out", str(tmp_path / "out")]) in (
        0,
        4,
    )
    import pyarrow.parquet as pq

    rows = pq.read_table(tmp_path / "out" / "grasps.parquet").to_pylist()
    kept = [row for row in rows if row["rank"] is not None]
    assert found["held"]["as closed"] == [float(row["six_force_suc"]) for row in kept]
    assert "| all | 2 |" in capsys.readouterr().out


def test_needs_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "hold", "--objects", ""]) == 2
    assert "at least one object" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["005_tomato_soup_can", "036_wood_block"])
def test_kept_grasps_of_a_free_thing_come_from_around_it(name: str) -> None:
    """Mean wrist turn between them at least 60 degrees."""
    kept = synthesize(f"ycb:{name}", "lift it", num=64, keep=8).kept
    assert len(kept) == 8
    assert wrist_turns(kept.hand_pose[:, 3:]).mean() >= 60.0
