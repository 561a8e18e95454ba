"""The line between the stages, with workers that do nothing: order, bounds, faults, stopping."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest

from pipelines.drivers import line as line_module
from pipelines.drivers.files import Folder
from pipelines.drivers.journal import Journal, read_log
from pipelines.drivers.line import Inbox, Line, Stopped
from pipelines.drivers.show import Meter
from pipelines.drivers.tasks import TaskSpec
from pipelines.stages.messages import Finished, Reasoned, Refined, StageFault, Timed
from pipelines.stages.write import Output
from tests.pipelines.cluster.made import finished, options, row, spec
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands import load_hand


class Crew:
    """Notes what it is asked; `faults` names what goes wrong with which task in which stage."""

    slots, preparers, refiners, simulators = 3, 2, 1, 2

    def __init__(self, faults: dict[tuple[str, str], Any] | None = None) -> None:
        self.faults = faults or {}
        self.prepared: list[str] = []
        self.batches: list[list[str]] = []
        self.reasoning = self.most = 0

    def told(self, stage: str, name: str, value: Any) -> Timed[Any]:
        return Timed(self.faults.get((stage, name), value), 0.0, 0.0, 1, {})

    async def prepare(self, task: TaskSpec) -> Timed[Any]:
        self.prepared.append(task.object)
        await asyncio.sleep(0.001)
        return self.told("prepare", task.object, task.object)

    async def reason(self, task: TaskSpec, handle: Any) -> Timed[Any]:
        assert handle == task.object
        self.reasoning += 1
        self.most = max(self.most, self.reasoning)
        await asyncio.sleep(0.002)
        self.reasoning -= 1
        status = self.faults.get(("answer", task.task_id), "ok")
        shared = {k: v for k, v in row(task, 0).items() if k != "rank"}
        grasp = ReasonedGrasp(task.task, status, "", None, None)
        return self.told("reason", task.task_id, Reasoned(task, grasp, shared, {}, {}, {}))

    async def refine(self, batch: Sequence[tuple[Reasoned, Any]]) -> Timed[Any]:
        names = [said.task.task_id for said, _ in batch]
        self.batches.append(names)
        await asyncio.sleep(0.001)
        for name in names:
            if ("refine", name) in self.faults:
                return Timed(self.faults["refine", name], 0.0, 0.0, 1, {})
        return Timed([grasps_of(name) for name in names], 0.0, 0.0, 1, {})

    async def simulate(self, refined: Refined, handle: Any) -> Timed[Finished]:
        task = refined.reasoned.task
        assert refined.grasps.status_reason[0] == f"grasps of {task.task_id}"
        return self.told("simulate", task.task_id, finished(task))

    async def gateway(self) -> dict[str, Any]:
        return {}


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "LINGER_S", 0.02)
    monkeypatch.setattr(line_module, "SHARD_S", 0.05)


def grasps_of(name: str) -> Grasps:
    """One grasp that carries a name."""
    joints = load_hand("human16").active_names
    return Grasps.of(
        "human16", joints, np.zeros((1, 7)), np.zeros((1, 16)), status_reason=[f"grasps of {name}"]
    )


def ran(crew: Crew, tasks: list[TaskSpec], out: Path, **more: Any) -> dict[str, dict[str, Any]]:
    """Rows of `tasks/` by id, each once."""
    asked = options(str(out), **{"in_flight": 5, "shard": 4, **more})
    output = Output(Folder(str(out)), asked, load_hand("human16"))
    output.begin(tasks)
    todo = [task for task in tasks if task.task_id not in output.done]
    journal = Journal(output.folder)
    try:
        asyncio.run(Line(crew, output, asked, journal, Meter(len(todo), 1, 0, asked.num)).run(todo))
    finally:
        journal.close()
    return written(out)


def written(out: Path) -> dict[str, dict[str, Any]]:
    rows = ds.dataset(out / "tasks").to_table().to_pylist() if (out / "tasks").exists() else []
    assert all(n == 1 for n in Counter(row["task_id"] for row in rows).values())
    return {row["task_id"]: row for row in rows}


def many(count: int) -> list[TaskSpec]:
    return [spec(i, f"object {i // 4}") for i in range(count)]


def test_every_task_once_objects_once_batches_full(tmp_path: Path) -> None:
    crew, tasks = Crew(), many(20)
    found = ran(crew, tasks, tmp_path)
    assert set(found) == {task.task_id for task in tasks}
    assert sorted(crew.prepared) == sorted({task.object for task in tasks})
    assert crew.most <= 5
    assert all(len(batch) <= 3 for batch in crew.batches)
    assert sorted(name for batch in crew.batches for name in batch) == sorted(found)
    spans = [r for r in read_log(Folder(str(tmp_path))) if r["event"] == "span"]
    assert Counter(s["stage"] for s in spans)["simulate"] == 20


def test_whatever_stumbles_is_a_row_and_stops_nobody(tmp_path: Path) -> None:
    faults = {
        ("prepare", "object 0"): StageFault("bad_object", "no face"),
        ("reason", "t4"): StageFault("reason_error", "KeyError: x"),
        ("answer", "t5"): "provider_refused",
        ("refine", "t6"): StageFault("refine_error", "nan"),
        ("simulate", "t7"): StageFault("simulate_error", "boom"),
    }
    found = ran(Crew(faults), many(12), tmp_path)
    statuses = {name: each["status"] for name, each in found.items()}
    assert [statuses[f"t{i}"] for i in range(4)] == ["bad_object"] * 4
    assert [statuses[f"t{i}"] for i in range(4, 8)] == [
        "reason_error", "provider_refused", "refine_error", "simulate_error",
    ]  # fmt: skip
    assert {statuses[f"t{i}"] for i in range(8, 12)} == {"ok"}
    assert found["t0"]["status_reason"] == "no face"
    grasps = ds.dataset(tmp_path / "grasps").to_table().to_pylist()
    assert {g["task_id"] for g in grasps} == set(found)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("budget_exhausted", "budget"),
        ("price_unknown", "price_unknown: "),
        ("provider_gone", "provider_gone: "),
    ],
)
def test_what_ends_a_run_stops_it_and_leaves_the_task_undone(status: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Stopped, match=why):
        ran(Crew({("answer", "t9"): status}), many(12), tmp_path)
    before = written(tmp_path)
    assert "t9" not in before
    after = ran(Crew(), many(12), tmp_path)
    assert set(after) == {f"t{i}" for i in range(12)}


def test_deaths_without_end_give_the_run_up(tmp_path: Path) -> None:
    dead = {("reason", f"t{i}"): StageFault("actor_died", "killed") for i in range(40)}
    with pytest.raises(Stopped, match="actors died over 20 tasks in a row"):
        ran(Crew(dead), many(40), tmp_path)


def test_an_interrupted_run_writes_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Crew):
        async def simulate(self, refined: Refined, handle: Any) -> Timed[Finished]:
            if refined.reasoned.task.task_id == "t6":
                await asyncio.Event().wait()
            return await super().simulate(refined, handle)

    # Nothing is written before the interrupt: the shard is never full, and no part of it is written.
    monkeypatch.setattr(line_module, "SHARD_S", 3600.0)

    async def interrupted() -> None:
        asked = options(str(tmp_path), in_flight=5, shard=100)
        output = Output(Folder(str(tmp_path)), asked, load_hand("human16"))
        output.begin(many(8))
        journal = Journal(output.folder)
        line = Line(Slow(), output, asked, journal, Meter(8, 2, 0, 4))
        working = asyncio.create_task(line.run(many(8)))
        while len(line._finished) < 7:  # all but the slow one
            await asyncio.sleep(0.001)
        assert not (tmp_path / "tasks").exists() or not list((tmp_path / "tasks").iterdir())
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        journal.close()

    asyncio.run(interrupted())
    assert set(written(tmp_path)) == {f"t{i}" for i in range(8) if i != 6}
    assert set(ran(Crew(), many(8), tmp_path)) == {f"t{i}" for i in range(8)}


def test_an_inbox_is_bounded_and_ends() -> None:
    async def scene() -> None:
        inbox: Inbox[int] = Inbox(2)
        await inbox.put(1)
        await inbox.put(2)
        third = asyncio.create_task(inbox.put(3))
        await asyncio.sleep(0.01)
        assert not third.done()
        assert await inbox.take(1) == [1]
        await third
        await inbox.close()
        assert await inbox.take(5, 60) == [2, 3]
        assert await inbox.take(5, 60) == []

    asyncio.run(scene())
