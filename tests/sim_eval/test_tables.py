"""One table, three ways to show it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

from sim_eval.tables import (
    markdown,
    markdown_table,
    table,
    to_json,
    upright_markdown,
    upright_terminal,
)
from zdg_jax.columns import shown
from zdg_jax.errors import UserError

COLUMNS = (*shown("paper"), *shown("eval"))
OURS = {
    "p_dep_cm": np.array([0.1, 0.3, np.nan, 0.2]),
    "p_vol_cm3": np.array([1.0, 2.0, 3.0, 4.0]),
    "sim_suc": np.array([True, False, False, True]),
    "force_closure": np.array([True, True, False, False]),
    "object_id": np.array(["a", "a", "b", "b"]),
    "status": np.array(["ok", "ok", "no_object", "ok"]),
}


def test_table_of_the_paper():
    text = markdown_table({"ours": OURS, "none": {}})
    head, _, ours, none = text.strip().split("\n")
    assert head.count("|") == ours.count("|") == none.count("|") == 7
    assert "P.Vol (cm³)" in head
    assert "Sim.Suc (%)" in head
    assert ours.endswith("| 4 | 1 |")
    assert "| 50 ± " in ours  # a failed row is no success
    with pytest.raises(UserError, match="p_vol_cm3"):
        markdown_table({"ours": OURS}, ["volume"])


def test_all_ways_say_the_same():
    shown = table({"ours": OURS}, known=COLUMNS, clusters="object_id")
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(upright_terminal(shown, "of a file"))
    terminal, page = captured.get(), upright_markdown(shown)
    assert "force closure (%)" in page
    for line in page.strip().split("\n")[2:]:
        heading, value = (cell.strip() for cell in line.strip("|").split("|"))
        row = next(r for r in terminal.split("\n") if heading in r)
        assert value in row
    assert markdown(shown).count("\n") == 3


def test_json_has_no_nan_and_names_the_objects():
    (line,) = to_json(table({"ours": OURS}, known=COLUMNS, clusters="object_id"))
    json.dumps(line, allow_nan=False)
    assert line["metrics"]["p_vol_cm3"]["objects"] == 2
    assert line["metrics"]["p_dep_cm"]["count"] == 3
    assert line["metrics"]["p_dep_cm"]["missing"] == 1
    (lonely,) = to_json(table({"one": {"p_dep_cm": np.array([0.5])}}))
    assert lonely["metrics"]["p_dep_cm"]["low"] is None


def test_columns_are_named_once():
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert all(column.heading for column in COLUMNS)
