"""Questions from other processes: paid once, judged where they were asked, kept when accepted."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.drivers.gateway import Gateway, needs_gateway, reasoner_at
from tests.reasoning.models.fakes import Local, point_at, running, settings_file
from tests.reasoning.models.questions import question
from zdg_jax.reasoning.models.answer_cache import answer_cache
from zdg_jax.reasoning.protocol import Answer, Question, ReasonerError, UnusableAnswer

NAME = "openai-chat:m"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ZDG_PROVIDERS", str(settings_file(tmp_path)))
    with running(latency=0.05, models=["m"]) as local:
        point_at(local, monkeypatch)
        yield local


def through(gateway: Gateway, asked: list[Question[Any]]) -> list[Answer[Any] | BaseException]:
    """Ask all at once, everything pickled on its way as between processes."""

    async def ask(name: str, sealed: Question[Any]) -> Any:
        return pickle.loads(pickle.dumps(await gateway.ask(name, pickle.loads(pickle.dumps(sealed)))))

    reasoner = reasoner_at(NAME, (), ask, gateway.accept)

    async def everything() -> list[Any]:
        return await asyncio.gather(*map(reasoner.ask, asked), return_exceptions=True)

    return asyncio.run(everything())


def test_the_same_question_from_many_is_sent_once_and_kept(server: Local) -> None:
    gateway = Gateway()
    answers = through(gateway, [question(), question(), question()])
    assert all(isinstance(answer, Answer) for answer in answers)
    assert len(server.log()) == 1
    assert gateway.state()["sent"] == 1
    assert gateway.state()["in_flight"] == 0
    assert answer_cache().stats().answers == 1
    gateway.close()
    again = Gateway()
    through(again, [question()])
    assert len(server.log()) == 1
    again.close()


def test_an_answer_whose_asker_died_is_judged_later(server: Local) -> None:
    gateway = Gateway()
    from zdg_jax.reasoning.models.exchange import sealed

    outcome = asyncio.run(gateway.ask(NAME, sealed(question())))
    assert outcome.answer is not None
    assert answer_cache().stats().answers == 0
    gateway.close()
    again = Gateway()  # after a kill, or on another day
    through(again, [question()])
    assert len(server.log()) == 1
    assert answer_cache().stats().answers == 1
    again.close()


def test_a_refused_answer_is_not_kept_for_others_and_not_paid_twice(server: Local) -> None:
    gateway = Gateway()
    asked = question(judge=lambda _: "not that")
    through(gateway, [asked])
    assert answer_cache().stats().answers == 0
    through(gateway, [asked])
    assert len(server.log()) == 1
    gateway.close()


def test_failures_travel_as_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ZDG_PROVIDERS", str(settings_file(tmp_path, settings={"max_tries": 1})))
    with running(planned=["refusal", "500"]) as local:
        point_at(local, monkeypatch)
        gateway = Gateway()
        (refused,) = through(gateway, [question()])
        assert isinstance(refused, UnusableAnswer)
        assert refused.status == "provider_refused"
        assert refused.call is not None
        (failed,) = through(gateway, [question()])
        assert isinstance(failed, ReasonerError)
        assert not isinstance(failed, UnusableAnswer)
        gateway.close()


def test_the_limit_holds_for_all_who_ask(server: Local) -> None:
    gateway = Gateway(concurrency=2)
    many = [question(i) for i in range(8)]
    through(gateway, many)
    entries = server.log()
    assert Counter(len([o for o in entries if o["at"] <= e["at"] < o["answered"]]) <= 2 for e in entries) == {
        True: 8
    }
    gateway.close()


def test_who_needs_one() -> None:
    assert not needs_gateway("offline", ())
    assert needs_gateway("offline", ("view=openai:gpt-4.1",))
    assert needs_gateway("gemini:x", ())
