"""The command with a Ray of its own loses its power ten times; half an hour of other tests' time."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.pipelines.cluster.own_ray import begun, finished, own_ray, power_off
from tests.pipelines.cluster.things import sticks, table

KILLS, TASKS = 10, 48
# One task a shard, two under way: what a kill throws away is little.
SMALL = (
    "--num 4 --keep 1 --steps 2 --hypotheses 1 --select gravity --batch 4 --shard 1 --in-flight 2 "
    "--no-pictures --preparers 1 --simulators 1"
).split()


def shards(out: Path) -> int:
    return len(list((out / "tasks").glob("part-*.parquet")))


def grasps(out: Path) -> list[str]:
    rows = ds.dataset(out / "grasps").to_table().drop_columns(["calls"]).to_pylist()  # calls: with durations
    return sorted(str(sorted(row.items())) for row in rows)


@pytest.mark.soak
def test_ten_times_without_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task once, and grasps bit for bit those of a run that nobody killed."""
    rows = [
        {"task_id": f"t{i}", "object": sticks(tmp_path)[0], "task": f"move it to place {i}"}
        for i in range(TASKS)
    ]
    tasks, out, whole = table(tmp_path / "tasks.csv", rows), tmp_path / "out", tmp_path / "whole"
    moment, found = random.Random(21), []
    with own_ray(monkeypatch):
        assert finished(tasks, whole, *SMALL)[0] == 0  # it fills the caches too
        for kill in range(KILLS):
            before, begin = shards(out), time.monotonic()
            run = begun(tasks, out, *SMALL)
            if kill % 5 != 4:  # after at least one shard more; two of the ten at any moment
                run.until(lambda before=before: shards(out) > before)
            time.sleep(moment.uniform(0.0, 1.0))
            assert power_off() > 3  # a driver alone would be one
            run.process.communicate()
            assert run.process.returncode == -9
            found.append(shards(out))
            print(f"kill {kill + 1}: {found[-1]} shards, {time.monotonic() - begin:.0f} s", flush=True)
        assert 8 <= found[-1] < TASKS
        begin = time.monotonic()
        code, _, errors = finished(tasks, out, *SMALL)
        assert code == 0, errors
        print(f"to the end: {time.monotonic() - begin:.0f} s", flush=True)
    counts = Counter(ds.dataset(out / "tasks").to_table()["task_id"].to_pylist())
    assert counts == {f"t{i}": 1 for i in range(TASKS)}
    ids = ds.dataset(out / "grasps").to_table()["grasp_id"].to_pylist()
    assert len(set(ids)) == len(ids) >= TASKS
    assert grasps(out) == grasps(whole)
    assert not [name for name in os.listdir(out) if name.endswith(".tmp")]
