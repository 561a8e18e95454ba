"""A power cut, or a kill, between any two system calls of a shard's writing loses or doubles nothing."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from pipelines.drivers.files import Folder
from pipelines.stages.write import Output
from tests.pipelines.cluster.made import finished, options, spec
from tests.pipelines.cuts import PowerCut, disk
from zdg_jax.hands import load_hand

TASKS = [spec(i) for i in range(4)]


def opened(out: Path) -> Output:
    output = Output(Folder(str(out)), options(str(out)), load_hand("human16"))
    output.begin(TASKS)
    return output


def calls_of_one_shard(out: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    output = opened(out)
    with disk(monkeypatch) as counted:
        output.write([finished(task) for task in TASKS[2:]])
    return counted.calls


@pytest.mark.parametrize("loses", [False, True], ids=["killed", "power cut"])
def test_every_point_of_a_shards_writing(
    loses: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tmp_path / "before"
    opened(before).write([finished(task) for task in TASKS[:2]])
    shutil.copytree(before, tmp_path / "counted")
    points = calls_of_one_shard(tmp_path / "counted", monkeypatch)
    assert points > 12
    outcomes = set()
    for point in range(points):
        out = tmp_path / f"cut {point}"
        shutil.copytree(before, out)
        output = opened(out)
        with disk(monkeypatch, cut=point) as cut, pytest.raises(PowerCut):
            output.write([finished(task) for task in TASKS[2:]])
        if loses:
            cut.lose()
        again = opened(out)
        outcomes.add(frozenset(again.done))
        assert {"t0", "t1"} <= set(again.done), point
        todo = [task for task in TASKS if task.task_id not in again.done]
        if todo:
            again.write([finished(task) for task in todo])
        again.finish(len(TASKS))
        check_whole(out)
        shutil.rmtree(out)
    assert outcomes == {frozenset({"t0", "t1"}), frozenset({"t0", "t1", "t2", "t3"})}


def check_whole(out: Path) -> None:
    tasks = ds.dataset(out / "tasks").to_table()["task_id"].to_pylist()
    grasps = ds.dataset(out / "grasps").to_table()["grasp_id"].to_pylist()
    assert Counter(tasks) == {task.task_id: 1 for task in TASKS}
    assert Counter(grasps) == {f"{task.task_id}-0-{k:04d}": 1 for task in TASKS for k in range(2)}
    left = [path for path in out.rglob(".*") if path.is_file()]
    assert not left, left
