"""A format from outside: one object, and `zdg eval` and `zdg export` read its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh

from pipelines import formats
from pipelines.evaluate import evaluate_file
from pipelines.export import export
from pipelines.formats.grasp_file import GraspFile, ObjectSource, Rows
from tests.sim_eval.helpers import box, grasps
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand


class Lines:
    """One grasp a line: OBJECT, base pose, active joints."""

    NAME = "lines"

    def detect(self, path: Path) -> bool:
        return path.suffix == ".grasps"

    def read(self, path: Path, hand: str | None) -> GraspFile:
        rows = Rows(load_hand(hand or "human16"))
        for number, line in enumerate(path.read_text().splitlines()):
            name, *numbers = line.split()
            values = np.array([numbers], float)
            rows.add([f"line-{number}"], ObjectSource(name), "", values[:, :7], values[:, 7:])
        return rows.finish(path, self.NAME)


@pytest.fixture
def _registered() -> Iterator[None]:
    formats.register(Lines())
    yield
    del formats.FORMATS[Lines.NAME]


@pytest.mark.usefixtures("_registered")
def test_a_format_from_outside_is_read_by_eval_and_export(tmp_path: Path) -> None:
    block = box((0.03, 0.03, 0.2))
    assert isinstance(block, trimesh.Trimesh)
    block.export(tmp_path / "block.stl")
    pose, joints = grasps(block, 2, seed=1)
    lines = [" ".join(["block", *map(str, (*p, *q))]) for p, q in zip(pose, joints, strict=True)]
    (tmp_path / "my.grasps").write_text("\n".join(lines))
    report = evaluate_file(str(tmp_path / "my.grasps"), backend="c", objects=str(tmp_path))
    assert (report.format, report.hand) == ("lines", "human16")
    assert [row["grasp_id"] for row in report.rows] == ["line-0", "line-1"]
    assert all(row["status"] == "ok" and row["p_dep_cm"] >= 0.0 for row in report.rows)
    done = export(str(tmp_path / "my.grasps"), "dexgraspnet", str(tmp_path / "out"), objects=str(tmp_path))
    assert done.written == 2


@pytest.mark.usefixtures("_registered")
def test_a_name_is_given_once() -> None:
    with pytest.raises(UserError, match="'lines', which exists"):
        formats.register(Lines())
