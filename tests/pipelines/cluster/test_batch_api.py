"""`zdg generate --batch-api`: what it refuses, when a job goes, and the command without power, twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from pipelines.drivers.gateway import Gateway
from pipelines.drivers.run import check_batch, tasks_in_reasoning
from pipelines.options import GenerateOptions
from tests.pipelines.cluster.own_ray import begun, finished, own_ray, power_off
from tests.pipelines.cluster.things import sticks, table
from tests.reasoning.models.fakes import KEY, Local, point_at, running, settings_file
from tests.reasoning.models.questions import question
from tests.reasoning.models.test_jobs_record import ROW
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.exchange import sealed
from zdg_jax.reasoning.models.factory import make
from zdg_jax.reasoning.models.remote import RemoteReasoner, on_io

TASKS = 3
SMALL = "--num 4 --keep 1 --steps 2 --hypotheses 1 --select gravity --batch 4 --simulators 1".split()
CHEAP = [{"models": ["m"], "max_output_tokens": 100, "max_tokens_name": "max_tokens"}]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ZDG_PROVIDERS", str(settings_file(tmp_path)))
    return tmp_path


def options(**more: Any) -> GenerateOptions:
    return GenerateOptions(**{"tasks": "t.csv", "out": "out", "batch_api": True, **more})


@pytest.mark.parametrize(
    ("more", "said"),
    [({}, "who is asked for nothing"), ({"reasoner": "openai:m", "concurrency": 4}, "--in-flight")],
)
def test_what_makes_no_sense_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        check_batch(options(**more))
    assert len(str(caught.value).splitlines()) == 1
    check_batch(options(reasoner="openai:m"))
    check_batch(options(reasoner="offline", route=("view=gemini:m",)))
    check_batch(options(**more, batch_api=False))


def test_a_model_on_this_machine_has_no_batch_api(world: Path) -> None:
    with pytest.raises(UserError, match=r"--batch-api with local:some.* openai, .*gemini"):
        make(f"local:some{world.name}", batch=True)


def test_tasks_in_reasoning_are_those_of_the_option(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as local:
        point_at(local, monkeypatch)
        reasoner = make("openai-chat:m", batch=True)
        assert tasks_in_reasoning(options(reasoner="openai-chat:m"), reasoner) == 256
        assert tasks_in_reasoning(options(in_flight=3000, reasoners=2), reasoner) == 4000
    assert world.is_dir()


def test_a_job_goes_when_nothing_more_can_come(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def everything(gateway: Gateway, local: Local) -> None:
        asking = [asyncio.ensure_future(gateway.ask("openai-chat:m", sealed(question(n)))) for n in range(2)]
        while gateway.state()["waiting"] < 2:
            await asyncio.sleep(0.01)
        for _ in range(3):
            gateway.expect(3)  # a third task may still ask
            await asyncio.sleep(0.01)
        assert local.accepted() == []
        while not all(each.done() for each in asking):
            gateway.expect(2)
            await asyncio.sleep(0.05)
        assert all(each.result().answer for each in asking)

    with running() as local:
        point_at(local, monkeypatch)
        gateway = Gateway(batch=True)
        asyncio.run(everything(gateway, local))
        gateway.close()
        assert len(local.accepted()) == 2
    assert world.is_dir()


async def answered(gateway: Gateway, numbers: Sequence[int]) -> None:
    """A task: one question after the other."""
    for number in numbers:
        assert (await gateway.ask("openai-chat:m", sealed(question(number)))).answer


async def looked(gateway: Gateway, tasks: Sequence[asyncio.Future[None]], event: Callable[[], bool]) -> None:
    """Look as the driver does until an event has come, and three times more."""
    more = 3
    while more:
        gateway.expect(sum(not task.done() for task in tasks))
        for _ in range(3):
            await on_io(asyncio.sleep(0))  # each hop of what it set going is over
        more -= event()
        await asyncio.sleep(0.01)


def sizes(local: Local) -> list[int]:
    """Of the jobs, in their order."""
    return list(Counter(e["job"] for e in local.log(questions=False) if "accepted" in e).values())


@pytest.mark.parametrize(("held", "ended"), [("question", 0), ("answer", 1)])
def test_no_job_goes_without_a_question_on_its_way(
    held: str, ended: int, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task's first question, or the answer to it, is on its way for as long as the gateway looks."""
    ask, arrived, opened = RemoteReasoner.ask, asyncio.Event(), asyncio.Event()

    async def slow(reasoner: RemoteReasoner, asked: Any) -> Any:
        answer = await ask(reasoner, asked) if held == "answer" else None
        if asked.prompt.startswith("Question 1:"):
            arrived.set()
            await opened.wait()
        return answer or await ask(reasoner, asked)

    async def everything(gateway: Gateway, local: Local) -> None:
        tasks = [asyncio.ensure_future(answered(gateway, numbers)) for numbers in ((0, 2), (1, 3))]
        collector: Any = gateway._reasoner("openai-chat:m").wire
        await looked(gateway, tasks, lambda: arrived.is_set() and len(collector._asked) == 1)
        opened.set()
        await looked(gateway, tasks, lambda: len(collector._asked) == 2)
        local.release()
        await looked(gateway, tasks, lambda: all(task.done() for task in tasks))
        await asyncio.gather(*tasks)

    monkeypatch.setattr(RemoteReasoner, "ask", slow)
    with running(jobs_end=ended) as local:
        point_at(local, monkeypatch)
        gateway = Gateway(batch=True)
        asyncio.run(everything(gateway, local))
        gateway.close()
        assert sizes(local) == [2, 2]
    assert world.is_dir()


def test_a_job_waits_for_nobody_who_waits_for_it(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is kept, equal questions, a row that fails, and money for one question at a time."""
    settings_file(world, models=[ROW], abilities=CHEAP)

    async def everything(gateway: Gateway, asked: Sequence[Sequence[int]]) -> None:
        tasks = [asyncio.ensure_future(answered(gateway, numbers)) for numbers in asked]
        await looked(gateway, tasks, lambda: all(task.done() for task in tasks))
        await asyncio.gather(*tasks)

    with running(planned=[None, "500", *[None] * 9]) as local:
        point_at(local, monkeypatch)
        gateway = Gateway(max_usd=0.0045, batch=True)  # 0.0012 each, 0.00195 at worst
        asyncio.run(everything(gateway, [[0]]))
        asyncio.run(everything(gateway, [[0, 1], [1], [2]]))
        gateway.close()
        assert sorted(Counter(local.accepted()).values()) == [1, 1, 2]


@pytest.mark.soak
@pytest.mark.parametrize("api", ["openai-responses", "gemini"])
def test_the_command_without_power_twice_pays_nothing_twice(
    api: str, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = sticks(world)[0]
    rows = [{"task_id": f"t{i}", "object": stick, "task": f"move it to place {i}"} for i in range(TASKS)]
    tasks, out = table(world / "tasks.csv", rows), world / "out"
    more = ("--batch-api", "--reasoner", f"{api}:m", *SMALL)

    def saw(word: str) -> int:
        return sum(word in str(entry) for entry in local.log(questions=False))

    with running(stalls=[1], jobs_end=1) as local, own_ray(monkeypatch):
        point_at(local, monkeypatch)
        run = begun(tasks, out, *more)
        run.until(lambda: saw("stalled") > 0)  # accepted, and nobody was told its number
        power_off()
        run.process.communicate()
        run = begun(tasks, out, *more)
        run.until(lambda: saw("/batches/batch_2") > 1)  # a job is waited for
        power_off()
        run.process.communicate()
        assert run.process.returncode == -9
        local.release()
        code, said, errors = finished(tasks, out, *more)
        assert code == 0, errors
        accepted = Counter(local.accepted())
        assert set(accepted.values()) == {1}
        assert local.log() == []
        assert KEY not in said + errors
    written = Counter(ds.dataset(out / "tasks").to_table()["task_id"].to_pylist())
    assert written == {f"t{i}": 1 for i in range(TASKS)}
    calls = {row["task_id"]: row["calls"] for row in ds.dataset(out / "grasps").to_table().to_pylist()}
    assert sum(map(len, calls.values())) == len(accepted)
