"""docs/extending.md: its examples run, and what they register is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.formats import FORMATS
from sim_eval.protocols import PROTOCOLS
from zdg_jax.columns import COLUMNS
from zdg_jax.reasoning.stages.grasp_type import SUITS
from zdg_jax.refine.energies import TERMS, unregister

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("number", "where", "name"),
    [
        (0, COLUMNS, "mean_depth_cm"),
        (1, PROTOCOLS, "above"),
        (2, TERMS, "stretched"),
        (3, FORMATS, "lines"),
        (4, SUITS, "ventral"),
    ],
    ids=["metric", "protocol", "energy", "format", "grasp type"],
)
def test_an_example_registers_what_it_says(number: int, where: dict, name: str) -> None:
    assert name not in where
    exec(compile(BLOCKS[number], str(PAGE), "exec"), {})
    try:
        assert name in where
    finally:
        if where is TERMS:
            unregister(name)
        else:
            del where[name]
        COLUMNS.pop("above_m", None)
