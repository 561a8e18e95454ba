"""`zdg judge --people`: the page gives nothing away, and sheets come back to the right method."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.people import COLUMNS, KEY, PAGE, read_sheets, write_page
from tests.pipelines.test_judge import folder, stick
from zdg_jax.errors import UserError

__all__ = ["folder", "stick"]  # fixtures


def sheet(path: Path, rater: str, scores: dict[str, object]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([rater, blind, score, ""] for blind, score in scores.items())
    return path


def key_of(folder: Path) -> dict[str, dict[str, str]]:
    return json.loads((folder / KEY).read_text())["grasps"]


@pytest.mark.slow
def test_the_page_is_one_file_and_names_no_source(folder: Path, tmp_path: Path) -> None:
    page = write_page([str(folder)], str(tmp_path / "study"), grasps=2)
    text, key = page.read_text(), key_of(page.parent)
    assert page.name == PAGE
    assert set(re.findall(r'data-id="(\w+)"', text)) == set(key)
    assert {g["grasp_id"] for g in key.values()} == {"g1", "g2"}
    assert str(folder) not in text
    assert "g1" not in re.sub(r"base64,[^\"]*", "", text)
    assert not re.search(r'(src|href)="(?!data:)', text)
    again = write_page([str(folder)], str(tmp_path / "study"), grasps=2).read_text()
    assert again == text  # same seed, same page: a participant's sheet still fits


def test_sheets_give_each_source_its_participants_mean(folder: Path, tmp_path: Path) -> None:
    write_page([str(folder)], str(tmp_path), grasps=2)
    one, two = key_of(tmp_path)
    sheets = [
        sheet(tmp_path / "a.csv", "A", {one: 5, two: 4}),
        sheet(tmp_path / "b.csv", "B", {one: 2, two: ""}),
    ]
    study = read_sheets(tmp_path, sheets)
    assert study.sources == {str(folder): (4.5, 2.0)}
    assert study.within_one == 0.0
    assert (study.scored, study.asked) == (3, 4)
    assert "P.Score 3.25 ± 2.45, 2 participant(s)" in study.summary()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rater,id,score,remark\nA,nobody,3,\n", "grasp 'nobody'"),
        ("rater,id,score,remark\nA,ONE,6,\n", "line 2: score '6'"),
        ("rater,id,score,remark\nA,ONE,3,\nA,ONE,4,\n", "again"),
        ("who,what\n1,2\n", "columns who, what"),
        ("", "columns none"),
    ],
)
def test_a_bad_sheet_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    shown = {"ONE": {"source": "ours", "grasp_id": "g", "object_id": "stick", "task": "lift it"}}
    (tmp_path / KEY).write_text(json.dumps({"study": "s", "grasps": shown}))
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(UserError, match=re.escape(said)):
        read_sheets(tmp_path, [tmp_path / "x.csv"])


def test_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["judge", str(folder), "--people", "--grasps", "1"]) == 0
    assert KEY in capsys.readouterr().out
    (one,) = key_of(folder)
    path = sheet(folder / "a.csv", "", {one: 4})
    assert cli.main(["judge", str(folder), "--sheets", str(path)]) == 0
    assert "P.Score 4.00, 1 participant(s)" in capsys.readouterr().out
    assert cli.main(["judge", str(folder)]) == 2
    assert "0 of --reasoner, --people and --sheets" in capsys.readouterr().err
    assert cli.main(["judge", str(folder), str(folder), "--sheets", str(path)]) == 2
