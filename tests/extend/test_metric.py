"""A metric from outside: its function and one line of `columns`, and it reaches file, eval and report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluate import EvalReport
from pipelines.report.html import grasp_table
from sim_eval.evaluate import measure_shape
from tests.sim_eval.helpers import as_object, box, grasps, hand
from tests.test_grasps import TASK
from zdg_jax import columns
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps


def mean_depth(phi: np.ndarray) -> np.ndarray:
    """100 mean_v max(0, -phi(v)), cm."""
    return 100.0 * np.maximum(0.0, -phi).mean(axis=1)


TOY = columns.Column(
    "mean_depth_cm", "real", "mean depth (cm) ↓", short="mean", hint="cm", shown=("eval", "report"),
    newer=True, of=("phi",), measure=mean_depth,
)  # fmt: skip


@pytest.fixture
def _registered() -> Iterator[None]:
    columns.register(TOY)
    yield
    del columns.COLUMNS[TOY.name]


@pytest.mark.usefixtures("_registered")
def test_a_metric_from_outside_reaches_measure_file_eval_and_report() -> None:
    block = box((0.03, 0.03, 0.2))
    pose, joints = grasps(block, 3, seed=1)
    measured = measure_shape(hand(), as_object(block), pose, joints)
    assert (measured[TOY.name] <= measured["p_dep_cm"] + 1e-9).all()

    batch = Grasps.of("human16", hand().active_names, pose, joints, tasks=(TASK,), columns=measured)
    rows = batch.with_columns({"start": np.arange(3)}).to_table().to_pylist()
    np.testing.assert_allclose([row[TOY.name] for row in rows], measured[TOY.name])

    table = grasp_table(rows, {})
    head = [name for name, _ in table.heads].index("mean")
    assert table.rows[0][head].text == f"{measured[TOY.name][0]:.2f}"
    names = ("grasp_id", "object_id", "status", TOY.name)
    report = EvalReport(
        "x", "zdg", "human16", "gravity", "c", [{n: r[n] for n in names} | {"category": None} for r in rows]
    )
    assert "mean depth (cm) ↓" in report.markdown()


def test_the_page_of_metrics_is_made_from_the_columns() -> None:
    page = columns.page()
    assert (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8") == page
    for column in columns.COLUMNS.values():
        assert f"`{column.name}`" in page
        assert bool(column.formula) == bool(column.source)
        assert not column.heading or not column.of or column.formula, column.name


def test_a_name_is_given_once() -> None:
    with pytest.raises(UserError, match="p_dep_cm"):
        columns.register(columns.COLUMNS["p_dep_cm"])
    assert TOY.name not in columns.COLUMNS
