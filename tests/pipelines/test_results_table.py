from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import results16
from pipelines.results_table import Pair, is_good, markdown, mean
from zdg_jax.objects import ycb_names


def kept(dep: float = 0.1, vol: float = 1.0, dis: float = 0.5, touch: bool = True) -> dict[str, object]:
    return {
        "p_dep_cm": dep,
        "p_vol_cm3": vol,
        "sim_dis_cm": dis,
        "contact_end": touch,
        "initial_p_dep_cm": 1.0,
        "initial_p_vol_cm3": 10.0,
        "part_ids": [2, 3],
        "direction": "above",
        "grasp_type": "lift",
    }


def pair(number: int, *rows: dict[str, object], status: str = "ok") -> Pair:
    return Pair(number, "025_mug", "drink from it", status, rows, 1.0, ())


def test_the_sixteen_pairs_are_scans_that_exist() -> None:
    assert len(results16.PAIRS) == len(set(results16.PAIRS)) == 16
    assert {name for name, _ in results16.PAIRS} <= set(ycb_names())


def test_good_and_mean() -> None:
    assert is_good(kept())
    assert not is_good(kept(dep=0.31))
    assert not is_good(kept(touch=False))
    assert mean([pair(1, kept(vol=1.0)), pair(2, kept(vol=2.0), kept(vol=6.0))], "p_vol_cm3") == 3.0


def test_the_table_counts_what_passes() -> None:
    pairs = [pair(1, kept(dep=0.5), kept()), pair(2, kept(dis=3.0)), pair(3, status="invalid_answer")]
    looks = {pairs[0].slug: {"right": True}, pairs[1].slug: {"right": False, "note": "wrong end"}}
    page = markdown(pairs, looks, "how")
    assert "1 of 3 pairs have a kept grasp" in page
    assert "Numbers and looks: 1 of 3" in page
    assert "| P.Vol cm³ | 10.000 | 1.000 | 0.10 |" in page
    assert "wrong end" in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and "025_mug" in line]
    assert [line.split("|")[-3].strip() for line in rows] == ["pass", "fail", "fail"]
    assert "invalid_answer" in rows[2]
    widths = {line.count("|") for line in rows} | {page.splitlines()[4].count("|")}
    assert len(widths) == 1


def test_without_verdicts_nothing_is_claimed_about_looks() -> None:
    page = markdown([pair(1, kept())], {}, "how")
    assert "not judged" in page
    assert page.splitlines()[6].rstrip().endswith("? |")


def test_bad_arguments_end_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert results16.main(["--out", str(tmp_path), "--only", "17"]) == 2
    assert results16.main(["--out", str(tmp_path), "--verdicts", str(tmp_path / "none.yaml")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("expected" in line for line in lines)
