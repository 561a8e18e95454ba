"""Suites as data, what a run leaves, and the pages made of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from pipelines import experiments
from pipelines import experiments as runner
from pipelines.experiments import Run, Suite, mesh_of, run_suite, suite
from pipelines.experiments.__main__ import main
from pipelines.experiments.pages import PAGES, hands_page, mean, pairs_page, scans_page, shapes_page
from zdg_jax.markdown import table
from zdg_jax.objects import load_object, ycb_names

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIXTEEN = suite("pairs")


def kept(dep: float = 0.1, vol: float = 1.0, dis: float = 0.5, good: bool = True) -> dict[str, Any]:
    return {
        "p_dep_cm": dep, "p_vol_cm3": vol, "sim_dis_cm": dis, "contact_end": True, "good": good,
        "initial_p_dep_cm": 1.0, "initial_p_vol_cm3": 10.0, "part_ids": [2, 3], "direction": "above",
        "grasp_type": "lift", "six_force_suc": good, "pregrasp_gap_cm": 0.5, "approach_free": True,
    }  # fmt: skip


def run(number: int, *rows: dict[str, Any], status: str = "ok", **more: Any) -> Run:
    given = {"hand": "human16", "route": "direct", **more}
    return Run(number, "ycb:025_mug", "drink from it", **given, status=status, rows=rows, seconds=1.0)


@pytest.mark.parametrize("name", ["pairs", "hands", "six_force"])
def test_a_suite_names_scans_options_and_a_page_that_exist(name: str) -> None:
    made = suite(name)
    assert {pair[0].removeprefix("ycb:") for pair in made.pairs} <= set(ycb_names())
    assert len(made.pairs) == len(set(made.pairs)) == (31 if name == "six_force" else 16)
    assert made.page in PAGES
    assert (DOCS / made.docs).is_file()
    made.options(made.pairs[0], made.hands[0]).check()


def test_twelve_sentences_have_the_types_of_the_hand_that_the_sheet_shows(tmp_path: Path) -> None:
    made = suite("shapes")
    assert len(set(made.pairs)) == 12
    assert made.page in PAGES
    key = load_object(mesh_of("made:key", tmp_path))
    assert key.mesh.is_watertight
    np.testing.assert_allclose(key.mesh.extents, [0.0575, 0.0022, 0.025], atol=1e-4)
    assert mesh_of("ycb:048_hammer", tmp_path) == "ycb:048_hammer"
    runs = [
        run(1, {**kept(), "grasp_type": "hook", "six_force_suc": False}, {**kept(), "six_force_suc": True}),
        run(2, status="no_grasp"),
    ]
    page, records = shapes_page(made, runs, {runs[0].slug: {"right": True, "note": "thumb off"}})
    assert "| hook | 2 of 2 | 1 of 2, not the first | yes: thumb off |" in page
    assert [record["type"] for record in records] == ["hook", "no_grasp"]


def test_what_is_asked_changes_a_suite() -> None:
    other = suite("hands", hands=("human16", "leap"), settings={"num": 9, "keep": None})
    asked = other.options(other.pairs[0], "leap")
    assert (asked.num, asked.keep, asked.hand) == (9, 4, "leap")
    assert other.routes_of("human16") == ("direct",)
    assert other.routes_of("leap") == ("direct", "retargeted")
    assert other.asked(("3", "hammer")) == [3, 1, 2]
    assert other.asked(()) == list(range(1, 17))


def test_the_page_of_pairs_counts_what_passes() -> None:
    runs = [run(1, kept(0.5, good=False), kept()), run(2, kept(good=False)), run(3, status="invalid_answer")]
    looks = {runs[0].slug: {"right": True}, runs[1].slug: {"right": False, "note": "wrong end"}}
    page, records = pairs_page(SIXTEEN, runs, looks)
    assert "1 of 3 pairs have a kept grasp" in page
    assert "Numbers and looks: 1 of 3" in page
    assert "| P.Vol cm³ | 10.000 | 1.000 | 0.10 |" in page
    assert "wrong end" in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and "025_mug" in line]
    assert [line.split("|")[-3].strip() for line in rows] == ["pass", "fail", "fail"]
    assert "invalid_answer" in rows[2]
    assert [record["good"] for record in records] == [1, 0, 0]
    assert "not judged" in pairs_page(SIXTEEN, runs, {})[0]
    shown = (DOCS / "results.md").read_text(encoding="utf-8")
    assert page.splitlines()[4] in shown, "the docs' table has these heads"


def test_the_page_of_hands_has_a_line_a_hand_and_route() -> None:
    runs = [run(1, kept(vol=1.0)), run(2, kept(vol=2.0), kept(vol=6.0, good=False))]
    more = {"hand": "leap", "route": "retargeted", "tips": ((1.0, True), (9.0, False))}
    page, records = hands_page(SIXTEEN, [*runs, run(1, kept(), **more)], {})
    assert mean(runs, "p_vol_cm3") == 3.0
    lines = page.splitlines()
    assert lines[0] in (DOCS / "hands.md").read_text(encoding="utf-8")
    assert lines[2] == "| human16 | direct | 2 of 2 | 2 of 3 | 0.10 | 3.00 | 0.50 | 1.00 | – | – |"
    assert lines[3].startswith("| leap | retargeted | 1 of 1 | 1 of 1 |")
    assert lines[3].endswith("| 1.0 | 0.50 |")
    assert records["leap retargeted"]["tips_reachable"] == 0.5


def test_the_page_of_scans_says_what_either_judge_found() -> None:
    runs = [run(1, kept(), kept(good=False), nudged=0.25), run(2, status="refused")]
    lines = scans_page(suite("six_force"), runs, {})[0].splitlines()
    assert lines[-3:] == [
        "| mean of 1 | 2 | 50.0 | 25.0 | 1.00 | 5.0 | 100.0 |",
        "| 025_mug | 2 | 50 | 25 | 1.00 | 5.0 | 100 |",
        "| 025_mug | 0 (refused) | | | | | |",
    ]


def test_a_table_has_as_many_cells_everywhere() -> None:
    assert table(["", "a"], [["b", "1"]]) == "| | a |\n|---|---|\n| b | 1 |"
    with pytest.raises(ValueError, match="expected 2"):
        table(["", "a"], [["b"]])


def test_what_is_there_is_not_run_again_unless_asked_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh = tmp_path / "stick.stl"
    trimesh.creation.cylinder(radius=0.015, height=0.2).export(mesh)
    asked = Suite("one", "", "pairs", ((str(mesh), "lift it"),), ("human16",), settings={"num": 4, "keep": 2})
    ran = []

    def direct(chosen: Suite, one: Run, folder: Path) -> Run:
        ran.append(folder)
        return Run(**{**vars(one), "status": "refused", "seconds": 2.0})

    monkeypatch.setattr(runner, "_direct", direct)
    first, again = (list(run_suite(asked, (), tmp_path / "out")) for _ in range(2))
    assert len(ran) == 1
    assert first == again
    assert again[0].seconds == 2.0
    other = Suite(**{**vars(asked), "settings": {"num": 5, "keep": 2}})
    list(run_suite(other, (), tmp_path / "out"))
    assert len(ran) == 2


def test_bad_arguments_end_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path)]
    for words in (["sets"], ["pairs", "--only", "17"], ["pairs", "--verdicts", str(tmp_path / "none.yaml")]):
        assert main([*words, *out]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("experiments: got ") and "expected" in line for line in lines)
    assert experiments.__doc__
    assert not np.isfinite(mean([], "p_dep_cm"))
