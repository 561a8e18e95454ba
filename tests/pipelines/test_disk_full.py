"""`zdg synth` on a disk that becomes full: one line, exit 2, whole files or none."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import cli
from pipelines.lock import locked
from tests.pipelines.cuts import full
from tests.pipelines.test_synth import fakes, stick

__all__ = ["fakes", "stick"]  # fixtures
QUICK = ["grasps.parquet"]
MOMENTS = [*QUICK, *(pytest.param(m, marks=pytest.mark.slow) for m in
           "report.html dataset_info.json views/ trace.json grasps.png scene.glb".split())]  # fmt: skip
SMALL = ["--name", "stick", "--num", "9", "--keep", "2", "--select", "gravity"]


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("part", MOMENTS)
def test_one_line_and_whole_files(
    part: str,
    stick: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [
        "synth",
        str(stick),
        "lift it",
        "--name",
        "stick",
        "--num",
        "9",
        "--keep",
        "2",
        "--select",
        "gravity",
        "--out",
        str(tmp_path),
    ]
    full(monkeypatch, part)
    assert cli.main(given) == 2
    errors = capsys.readouterr().err
    (line,) = [line for line in errors.splitlines() if line.startswith("zdg:")]
    assert "full disk" in line
    assert "free space" in line
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob(".*"))  # neither halves nor a lock
    if (tmp_path / "grasps.parquet").exists():
        assert pq.read_table(tmp_path / "grasps.parquet").num_rows == 3


@pytest.mark.usefixtures("fakes")
def test_two_at_once_into_one_folder(stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["synth", str(stick), "lift it", *SMALL, "--out", str(tmp_path)]
    with locked(tmp_path, command="zdg synth"):
        assert cli.main(given) == 2
    assert "is writing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
