"""No answer is paid twice: not later, not at the same time, not by another process."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.questions import question
from tests.waiting import PATIENCE_S, until
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.answer_cache import AnswerCache, answer_cache, key_of
from zdg_jax.reasoning.protocol import Call, Question

CALL = Call("rotation", "openai-chat", "m-1", "sha", input_tokens=7, output_tokens=3, cost_usd=0.5)


def test_the_second_asking_costs_nothing(start: Start, make: Make) -> None:
    local = start()
    first = asyncio.run(make("openai-chat:m").ask(question()))
    again = asyncio.run(make("openai-chat:m").ask(question()))
    assert again.value == first.value
    assert again.call == replace(first.call, attempts=0)  # the numbers are those of the call that paid
    assert len(local.log()) == 1


def test_the_same_question_at_the_same_time_is_asked_once(start: Start, make: Make) -> None:
    local = start(latency=0.3)
    one, other = make("openai-chat:m"), make("openai-chat:m")

    async def all_at_once() -> list[int]:
        answers = await asyncio.gather(*(r.ask(question(n)) for r in (one, other) for n in (1, 2, 1, 2, 1)))
        return [answer.call.attempts for answer in answers]

    attempts = asyncio.run(all_at_once())
    assert sum(attempts) == 2
    assert len(local.log()) == 2


def test_who_gives_up_waiting_takes_nobodys_answer_away(start: Start, make: Make) -> None:
    local = start(answers=0)
    reasoner = make("openai-chat:m")

    async def first_is_cancelled() -> int:
        first = asyncio.create_task(reasoner.ask(question()))
        second = asyncio.create_task(reasoner.ask(question()))
        await asyncio.to_thread(until, lambda: local.held() == 1)
        first.cancel()
        local.release()
        return (await second).value.rotation

    assert asyncio.run(first_is_cancelled()) == 1
    assert len(local.log()) == 1


def test_everything_that_matters_is_in_the_key(start: Start, make: Make) -> None:
    local = start(models=["m", "n"])
    asked = question()
    other = question(1)
    reasoner = make("openai-chat:m")
    variants: list[Question] = [
        asked,
        replace(asked, prompt=asked.prompt + " "),
        replace(asked, images=other.images),
        replace(asked, feedback=("No.",)),
        replace(asked, stage="view"),
    ]
    for variant in variants:
        asyncio.run(reasoner.ask(variant))
    asyncio.run(make("openai-chat:n").ask(asked))
    asyncio.run(make("openai-responses:m").ask(asked))
    assert len(local.log()) == len(variants) + 2
    # Observations are not shown to a model, and a judge is no part of the question.
    asyncio.run(reasoner.ask(replace(asked, observations=other.observations, judge=lambda answer: None)))
    assert len(local.log()) == len(variants) + 2


def test_a_judged_answer_settles_the_question_that_was_refused_and_no_other(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put(["plain"], "m", {"rotation": 1}, CALL)
    cache.put(["told", "plain"], "m", {"rotation": 2}, CALL)
    told, plain = cache.get("told"), cache.get("plain")
    assert told is not None
    assert plain is not None
    assert (told[0], plain[0]) == ({"rotation": 2}, {"rotation": 1})
    cache.close()


def _write(path: Path, who: int) -> None:
    cache = AnswerCache(path)
    for n in range(100):
        cache.put([key_of({"n": n}), key_of({"n": n, "who": who})], "m", {"rotation": n}, CALL)
        assert cache.get(key_of({"n": n})) is not None
    cache.close()


@pytest.mark.slow
def test_many_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(path, who)) for who in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_S)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    cache = AnswerCache(path)
    stats = cache.stats()
    assert stats.answers == 3 * 100
    assert stats.models == (("openai-chat", "m", 300, 150.0),)
    assert stats.num_bytes > 0
    assert cache.clear() == 300
    assert cache.stats().answers == 0
    cache.close()
    with sqlite3.connect(path) as check:
        assert check.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    check.close()


def test_a_damaged_file_is_one_clear_line() -> None:
    cache = answer_cache()
    cache.path.write_bytes(b"no database at all, and long enough to be read as a header" * 10)
    with pytest.raises(UserError, match="ZDG_CACHE_DIR"):
        cache.get("x")
    cache.close()


def test_a_model_is_known_once_it_answered(start: Start, make: Make) -> None:
    local = start()
    make("openai-chat:m", check=True)
    assert [entry["path"] for entry in local.log(questions=False)] == ["/v1/models/m"]
    asyncio.run(make("openai-chat:m").ask(question()))
    local.stop()  # with everything in the cache, no server is needed
    assert asyncio.run(make("openai-chat:m", check=True).ask(question())).call.attempts == 0
