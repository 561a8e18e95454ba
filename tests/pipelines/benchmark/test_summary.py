from __future__ import annotations

import json

import numpy as np
import pytest

from pipelines.benchmark.page import (
    DIVERSITY_COLUMNS,
    Run,
    causes,
    failures,
    fingers,
    line,
    markdown,
    seconds,
    write_report,
)
from pipelines.benchmark.rows import ROWS, parse_rows
from pipelines.benchmark.work import chosen_instructions
from sim_eval.benchmark.instructions import instructions, split
from zdg_jax.errors import UserError

ALL = {i.id: i for i in instructions("zoo")}


def grasp(part: float = 1.0, held: bool = True, depth: float | None = 0.1) -> dict[str, object]:
    return {
        "p_dep_cm": depth,
        "p_vol_cm3": 1.0,
        "sim_dis_cm": 0.5,
        "sim_suc": held,
        "part_acc": part,
        "sc_ratio": 0.8 * part,
        "contact_end": held,
        "rank": 0,
    }


def unit(name: str, *grasps: dict[str, object], status: str = "ok") -> dict[str, object]:
    return {"id": name, "row": "ours", "status": status, "status_reason": "why", "grasps": list(grasps)}


def test_every_instruction_counts_once_and_failed_ones_as_failures():
    units = [
        unit("zoo-mug-0", grasp(1.0), grasp(0.0), grasp(0.0), grasp(0.0)),
        unit("zoo-axe-0", grasp(1.0)),
        unit("zoo-knife-0", status="invalid_answer"),
    ]
    found = line("Ours", units, ALL)
    assert (found.tasks, found.failed) == (3, 1)
    assert found.mean["part_acc"] == pytest.approx(100 * (0.25 + 1.0 + 0.0) / 3)
    assert found.mean["p_vol_cm3"] == pytest.approx(1.0)  # nothing to measure on a task without a grasp
    values = np.array([0.25, 1.0, 0.0])
    assert found.half["part_acc"] == pytest.approx(196 * values.std(ddof=1) / np.sqrt(3), rel=1e-3)
    assert "| Ours |" in markdown([found])


def test_twisting_tasks_are_left_out_of_the_simulated_columns():
    twist = next(i.id for i in ALL.values() if i.affordance == "twist")
    found = line("x", [unit(twist, grasp(held=False)), unit("zoo-mug-0", grasp(held=True))], ALL)
    assert found.mean["sim_suc"] == pytest.approx(100.0)
    assert found.mean["part_acc"] == pytest.approx(100.0)


def test_a_grasp_that_could_not_be_simulated_is_no_success():
    found = line("x", [unit("zoo-mug-0", grasp(), {**grasp(depth=None), "sim_suc": None})], ALL)
    assert found.mean["sim_suc"] == pytest.approx(50.0)
    assert found.mean["p_dep_cm"] == pytest.approx(0.1)


def test_columns_that_were_not_asked_for_are_no_failures():
    held = {**grasp(), "six_force_suc": True, "self_pen_cm": 0.2}
    found = line("x", [unit("zoo-mug-0", held), unit("zoo-axe-0", status="invalid_answer")], ALL)
    assert found.mean["six_force_suc"] == pytest.approx(50.0)
    assert found.mean["self_pen_cm"] == pytest.approx(0.2)
    assert np.isnan(line("x", [unit("zoo-mug-0", grasp())], ALL).mean["six_force_suc"])


def test_instructions_on_one_object_are_no_independent_proof():
    both = [i for i in instructions("ycb") if i.object == "ycb:025_mug"][:2]
    others = [i for i in instructions("ycb") if i.object != "ycb:025_mug"]
    known = {i.id: i for i in (*both, *others)}
    values = (1.0, 1.0, 0.0, 0.0)
    apart = [others[0].id, others[2].id, others[4].id, others[6].id]
    shared = [*(i.id for i in both), apart[2], apart[3]]
    halves = [
        line("x", [unit(n, grasp(v)) for n, v in zip(names, values, strict=True)], known).half["part_acc"]
        for names in (apart, shared)
    ]
    assert halves[1] > halves[0]


def test_diversity_is_of_the_row_and_leaves_out_what_has_no_pose():
    def at(x: float, held: bool) -> dict[str, object]:
        return {**grasp(held=held), "hand_pose": [x, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], "joints": [0.1, 2 * x]}

    units = [
        unit("zoo-mug-0", at(0.0, True), at(0.1, True), {"status": "unreadable", "hand_pose": None}),
        unit("zoo-axe-0", {**at(0.3, False), "joints": [0.7, -0.2]}),
        unit("zoo-knife-0", status="invalid_answer"),
    ]
    found = line("x", units, ALL)
    assert found.mean["diversity_held"] == pytest.approx(100.0)  # two grasps lie on a line
    table = np.array([[0.0, 0.1, 0.0], [0.1, 0.1, 0.2], [0.3, 0.7, -0.2]])
    spread = np.linalg.eigvalsh(np.cov(table.T))
    assert found.mean["diversity"] == pytest.approx(100 * spread[-1] / spread.sum())
    assert np.isnan(line("x", [unit("zoo-mug-0", grasp())], ALL).mean["diversity"])
    assert "| x | 100 |" in markdown([found], columns=DIVERSITY_COLUMNS[1:])


def test_causes_and_seconds():
    slow = {**unit("zoo-mug-0", grasp(0.0)), "cpu": {"reason": 1.0, "refine": 3.0}}
    units = [slow, unit("zoo-mug-1", grasp(held=False, depth=0.9)), unit("zoo-mug-2", status="empty_region")]
    assert causes(units) == {
        "deeper than 3 mm": 1, "no grasp: empty_region": 1, "not held": 1, "wrong part": 1
    }  # fmt: skip
    assert seconds([*units, {**slow, "cpu": {"refine": 1.0}}]) == {"reason": 0.5, "refine": 2.0}
    assert seconds(units[1:]) == {}


def test_fingers_are_counted_where_they_were_asked():
    points = {"points": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.1]]}
    units = [
        {**unit("zoo-drill-0", {**grasp(), "thumb_point_cm": 1.4, "index_point_cm": 0.0, "aims_met": 1.0},
                {**grasp(), "thumb_point_cm": 1.6, "index_point_cm": 0.9, "aims_met": 0.95}), **points},
        {**unit("zoo-lighter-0", status="no_grasp"), **points},
        unit("zoo-mug-0", *({**grasp(), "aims_met": met} for met in (1.0, 0.5, 0.0))),
        unit("zoo-axe-0", {**grasp(), "aims_met": None}),
    ]  # fmt: skip
    assert fingers("x", units) == ["x", "2", "2", "100", "50", "50", "1", "3", "33"]
    assert fingers("x", units[1:2]) == ["x", "1", "0", "-", "-", "-", "0", "0", "-"]
    assert fingers("x", units[3:]) is None


def test_failures_come_worst_first_with_a_reason():
    units = [
        unit("zoo-mug-0", grasp()),
        unit("zoo-mug-1", grasp(0.0)),
        unit("zoo-mug-2", status="empty_region"),
    ]
    found = failures(units)
    assert [u["id"] for u, _ in found] == ["zoo-mug-2", "zoo-mug-1"]
    assert [why for _, why in found] == ["empty_region: why", "wrong part"]


def test_rows_by_name():
    assert parse_rows(",".join(ROWS)) == tuple(ROWS)
    with pytest.raises(UserError, match="wo_contact, wo_initial, random_approach, wo_refine"):
        parse_rows("ours,mine")


def test_a_limit_spreads_over_the_categories():
    few = chosen_instructions("zoo", limit=len(split("zoo")))
    assert {i.category for i in few} == set(split("zoo"))
    assert len({i.object[-1] for i in few}) == 4  # all variants occur
    held = chosen_instructions("zoo", half="held_out")
    assert {split("zoo")[i.category] for i in held} == {"held_out"}
    assert [i.id for i in chosen_instructions("zoo", only=["mug-1"])] == ["zoo-mug-1"]
    with pytest.raises(UserError, match="loosen"):
        chosen_instructions("ycb", only=["nothing like it"])


def test_the_report_says_the_same_three_times(tmp_path):
    units = {"ours": [unit("zoo-mug-0", grasp()), unit("zoo-axe-0", status="<refused>")]}
    run = Run("Title", "note", ALL, split("zoo"), units, {"set": "zoo"})
    write_report(run, tmp_path, {})
    record = json.loads((tmp_path / "benchmark.json").read_text())
    assert record["tables"]["All tasks"][0]["mean"]["part_acc"] == pytest.approx(50.0)
    assert record["failures"] == [{"row": "ours", "id": "zoo-axe-0", "why": "<refused>: why"}]
    text = (tmp_path / "benchmark.md").read_text()
    assert "| Ours |" in text
    assert "## Ours by category" in text
    assert "P.Score" not in text
    assert "Fingers where they are asked" not in text
    page = (tmp_path / "benchmark.html").read_text()
    assert "&lt;refused&gt;" in page
    assert "<refused>" not in page


def test_a_judged_run_has_p_score_by_category(tmp_path):
    units = {
        "ours": [
            unit("zoo-mug-0", {**grasp(), "p_score": 5.0}, grasp()),
            unit("zoo-mug-1", grasp()),
            unit("zoo-axe-0", {**grasp(), "p_score": 2.0}),
        ]
    }
    write_report(Run("Title", "note", ALL, split("zoo"), units, {}), tmp_path, {})
    text = (tmp_path / "benchmark.md").read_text()
    every, by = text.split("## Ours by category")
    assert "P.Score (1-5)" in every
    assert "| 3.5 ±" in every
    rows = [line.split("|") for line in by.splitlines() if line.startswith(("| axe", "| mug"))]
    assert [row[8].split()[0] for row in rows] == ["2", "5"]
