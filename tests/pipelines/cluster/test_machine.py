"""What the machine fails at stops the run with one line; it is no task's verdict, and nothing hangs."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pipelines import generate as command
from pipelines.drivers import line as line_module
from pipelines.drivers import run as run_module
from pipelines.drivers.gateway import Gateway
from pipelines.drivers.line import Line, Stopped
from pipelines.stages.messages import StageFault, Timed, fault, timed
from tests.pipelines.cluster.test_line import Crew, many, ran, written
from tests.pipelines.cuts import full
from tests.waiting import PATIENCE_S
from zdg_jax.errors import MachineError, UserError, machine_error
from zdg_jax.reasoning.models.answer_cache import AnswerCache


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "LINGER_S", 0.02)
    monkeypatch.setattr(line_module, "SHARD_S", 0.05)


def ended(crew: Crew, count: int, out: Path, **more: Any) -> BaseException:
    async def bounded(line: Line, todo: Any) -> None:
        await asyncio.wait_for(real(line, todo), PATIENCE_S)

    real = Line.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "run", bounded)
        with pytest.raises((MachineError, Stopped)) as caught:
            ran(crew, many(count), out, **more)
    return caught.value


@pytest.mark.parametrize(
    ("count", "shard", "bad"),
    [
        (4, 4, 0),
        pytest.param(40, 4, 0, marks=pytest.mark.slow),
        pytest.param(40, 1, 2, marks=pytest.mark.slow),
        (40, 1, 0),
    ],
)
@pytest.mark.parametrize("part", ["grasps", "tasks"])
def test_a_shard_that_cannot_be_written_stops_the_run(
    count: int, shard: int, bad: int, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(monkeypatch, f"{part}/part-{bad:05d}")
    crew = Crew()
    error = ended(crew, count, tmp_path, shard=shard)
    assert "full disk" in str(error)
    before = written(tmp_path) if (tmp_path / "tasks").exists() else {}
    assert len(before) == bad * shard
    monkeypatch.undo()
    assert set(ran(Crew(), many(count), tmp_path, shard=shard)) == {f"t{i}" for i in range(count)}


def test_after_a_dead_writer_hardly_anything_more_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Counting(Crew):
        async def reason(self, task: Any, handle: Any) -> Timed[Any]:
            asked.append(task.task_id)
            return await super().reason(task, handle)

    full(monkeypatch, "grasps/part-00000")
    ended(Counting(), 2000, tmp_path, shard=1)
    assert len(asked) < 200


@pytest.mark.parametrize("stage", ["prepare", "reason", "refine", "simulate"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.ESTALE])
def test_a_machine_fault_in_a_stage_leaves_its_tasks_undone(stage: str, number: int, tmp_path: Path) -> None:
    said = fault(stage, OSError(number, os.strerror(number), "/scratch/x"))
    assert said.status == "machine_fault"
    name = "object 2" if stage == "prepare" else "t9"
    error = ended(Crew({(stage, name): said}), 12, tmp_path)
    assert os.strerror(number) in str(error)
    assert "/scratch/x" in str(error)
    done = written(tmp_path) if (tmp_path / "tasks").exists() else {}
    assert "t9" not in done
    assert {row["status"] for row in done.values()} <= {"ok"}
    assert set(ran(Crew(), many(12), tmp_path)) == {f"t{i}" for i in range(12)}


def test_what_is_a_machines_fault_and_what_is_not() -> None:
    def wrapped() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "x")
        except OSError:
            raise UserError("a mesh", "another", "mend it") from None

    assert timed("prepare", wrapped).value.status == "machine_fault"
    assert fault("reason", sqlite3.OperationalError("database or disk is full")).status == "machine_fault"
    assert fault("prepare", UserError("no face", "faces", "mend")).status == "bad_object"
    assert fault("prepare", FileNotFoundError(errno.ENOENT, "gone", "x.mtl")).status == "prepare_error"
    assert fault("simulate", MemoryError("a huge mesh")).status == "simulate_error"
    assert machine_error(ValueError("x")) is None


def test_an_answer_that_cannot_be_kept_is_no_bad_object(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(MachineError) as caught:
        AnswerCache(tmp_path / "answers.sqlite").get("k")
    assert isinstance(fault("reason", caught.value), StageFault)
    assert fault("reason", caught.value).status == "machine_fault"


def test_a_gateway_that_cannot_keep_answers_says_so_and_pays_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    gateway = Gateway()

    def broken(*_: Any) -> None:
        raise MachineError("answer cache (disk full)", "space", "free some")

    monkeypatch.setattr(gateway._cache, "accept", broken)
    gateway.accept("openai:gpt-4.1", "k")
    outcome = asyncio.run(gateway.ask("openai:gpt-4.1", None))  # type: ignore[arg-type]
    assert outcome.status == "machine_fault"
    assert gateway.state()["sent"] == 0


def test_errors_travel_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(MachineError("a full disk", "space", "free some")))
    assert isinstance(error, MachineError)
    assert error.do == "free some"


MOMENTS = [
    ("manifest.json", "before"), ("meshes/", "prepare"), ("images/", "reason"),
    ("grasps/part-00001", "write"), ("tasks/part-00001", "write"), ("dataset_info.json", "write"),
    ("README.md", "end"),
]  # fmt: skip


@pytest.mark.parametrize(("part", "when"), MOMENTS)
def test_disk_full_at_any_moment_of_generate(
    part: str, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit 2, and the same command goes on; the stages are fakes that write their files."""
    from pipelines.drivers.files import Folder
    from tests.pipelines.cluster.things import sticks, table

    out = tmp_path / "out"

    class Writing(Crew):
        async def prepare(self, task: Any) -> Timed[Any]:
            done = timed("prepare", lambda: Folder(str(out)).write(f"meshes/{task.task_id}.ply", b"x"))
            return done if isinstance(done.value, StageFault) else await super().prepare(task)

        async def reason(self, task: Any, handle: Any) -> Timed[Any]:
            done = timed("reason", lambda: Folder(str(out)).write(f"images/{task.task_id}.png", b"x"))
            return done if isinstance(done.value, StageFault) else await super().reason(task, handle)

    def without_ray(options: Any, admitted: int, table: Any, todo: Any, output: Any, *more: Any) -> str:
        journal, meter, _ = more
        try:
            asyncio.run(Line(Writing(), output, options, journal, meter).run(todo))
        except Stopped as stopped:
            return stopped.why
        return ""

    monkeypatch.setattr(run_module, "_with_ray", without_ray)
    stick = sticks(tmp_path)[0]
    rows = [{"task_id": f"t{i}", "object": stick, "task": f"place {i}"} for i in range(8)]
    given = ["--tasks", str(table(tmp_path / "tasks.csv", rows)), "--out", str(out), "--shard", "4"]
    with monkeypatch.context() as patch:
        full(patch, part)
        assert command.main(given) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "full disk" in line]
    assert len(said) == 1
    assert "free space" in said[0]
    if when in ("prepare", "reason", "write"):
        assert "of 8 tasks are written" in said[0]
    assert command.main(given) == 0
    assert set(written(out)) == {f"t{i}" for i in range(8)}
    assert {row["status"] for row in written(out).values()} == {"ok"}


def test_two_runs_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pipelines.drivers.files import Folder
    from tests.pipelines.cluster.things import sticks, table

    rows = [{"object": sticks(tmp_path)[0], "task": "lift it"}]
    given = ["--tasks", str(table(tmp_path / "tasks.csv", rows)), "--out", str(tmp_path / "out")]
    with Folder(str(tmp_path / "out")).lock("generate"):
        assert command.main(given) == 2
    assert f"process {os.getpid()}" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_a_shard_is_never_written_over(tmp_path: Path) -> None:
    crew = Crew()

    class Late(Crew):
        async def simulate(self, refined: Any, handle: Any) -> Timed[Any]:
            (tmp_path / "grasps").mkdir(exist_ok=True)
            (tmp_path / "grasps" / "part-00000.parquet").write_bytes(b"somebody else's")
            return await crew.simulate(refined, handle)

    with pytest.raises(UserError, match="somebody else has written"):
        ran(Late(), many(4), tmp_path)
    assert (tmp_path / "grasps" / "part-00000.parquet").read_bytes() == b"somebody else's"


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.pipelines.cluster.things import sticks, table

    (tmp_path / "out" / "log.jsonl").mkdir(parents=True)
    rows = [{"object": sticks(tmp_path)[0], "task": "lift it"}]
    given = ["--tasks", str(table(tmp_path / "tasks.csv", rows)), "--out", str(tmp_path / "out")]
    assert command.main(given) == 2
    assert "log.jsonl" in capsys.readouterr().err
