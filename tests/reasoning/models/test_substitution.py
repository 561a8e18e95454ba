"""Another model answers than was asked: it is said, priced, kept and stopped for as what it is."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import APIS, settings_file
from tests.reasoning.models.questions import question
from zdg_jax.reasoning.protocol import Answer, Reasoner, ReasonerError

ASKED, OTHER = "gemini-2.5-pro", "gemini-3.8-flash"


def row(name: str, price: float) -> dict[str, object]:
    return {
        "provider": "compatible",
        "id": name,
        "prices": [{"input": price, "cached": price, "output": price}],
        "read": "2026-11-28",
        "source": "a test",
    }


def asked(reasoner: Reasoner, *numbers: int) -> list[Answer | str]:
    """The answers one after the other, or the status of each that did not come."""

    async def all_of_them() -> list[Answer | str]:
        said: list[Answer | str] = []
        for number in numbers:
            try:
                said.append(await reasoner.ask(question(number)))
            except ReasonerError as error:
                said.append(error.status)
        return said

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("api", APIS)
def test_another_model_is_said_once_and_priced_as_itself(
    api: str, start: Start, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings_file(tmp_path, models=[row(ASKED, 100.0), row(OTHER, 1.0)])
    local = start(models=[ASKED], answered_by=OTHER)
    said = asked(make(f"{api}:{ASKED}"), 0, 1, 2)
    calls = [answer.call for answer in said if isinstance(answer, Answer)]
    assert [(call.asked, call.model) for call in calls] == [(ASKED, OTHER)] * 3
    assert [call.cost_usd for call in calls] == pytest.approx([1050 / 1e6] * 3)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told == [f"{api}:{ASKED} was asked and {OTHER} answered"]
    assert len(local.log()) == 3


@pytest.mark.parametrize("answered", ["gpt-4.1", "gpt-4.1-2025-04-14", "openai/gpt-4.1-2025-04-14"])
def test_a_dated_snapshot_is_no_other_model(
    answered: str, start: Start, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    local = start(models=["gpt-4.1"], answered_by=answered)
    (answer,) = asked(make("openai-chat:gpt-4.1"), 0)
    assert isinstance(answer, Answer)
    assert (answer.call.asked, answer.call.model) == (None, answered)
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]
    asked(make("openai-chat:gpt-4.1"), 0)
    assert len(local.log()) == 1  # and its answer is kept


def test_an_unlisted_model_has_no_price_though_the_asked_one_has(
    start: Start, make: Make, tmp_path: Path
) -> None:
    settings_file(tmp_path, models=[row(ASKED, 100.0)])
    start(models=[ASKED], answered_by=OTHER)
    (answer,) = asked(make(f"gemini:{ASKED}"), 0)
    assert isinstance(answer, Answer)
    assert answer.call.cost_usd is None


def test_the_next_run_does_not_get_the_other_models_answer_as_the_asked_ones(
    start: Start, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(models=[ASKED], answered_by=OTHER)
    asked(make(f"gemini:{ASKED}"), 0, 1, 0)
    assert len(first.log()) == 2  # within a run it is known who answers
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", first.url)
    asked(make(f"gemini:{ASKED}"), 0)
    assert len(first.log()) == 3  # a new run asks, for the asked model may answer again


def test_an_answer_kept_by_an_earlier_version_under_the_wrong_name_is_not_used(
    start: Start, make: Make
) -> None:
    from zdg_jax.reasoning.models import exchange
    from zdg_jax.reasoning.models.answer_cache import answer_cache
    from zdg_jax.reasoning.models.remote import RemoteReasoner

    local = start(models=[ASKED])
    reasoner = make(f"gemini:{ASKED}")
    assert isinstance(reasoner, RemoteReasoner)
    (answer,) = asked(reasoner, 0)
    assert isinstance(answer, Answer)
    cache, keys = answer_cache(), exchange.keys(question(1), reasoner.wire)
    call = answer.call.__class__(**{**vars(answer.call), "model": OTHER})
    cache.put(keys, ASKED, answer.value.model_dump(mode="json"), call)
    asked(reasoner, 1)
    assert len(local.log()) == 2


def test_under_a_limit_an_unpriced_answer_stops_the_run_and_the_same_command_goes_on(
    start: Start, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file(tmp_path, models=[row(ASKED, 1.0)])
    local = start(models=[ASKED], answered_by=OTHER)
    said = asked(make(f"gemini:{ASKED}", max_usd=5.0), *range(5))
    assert isinstance(said[0], Answer)
    assert said[1:] == ["price_unknown"] * 4
    assert len(local.log()) == 1
    path = tmp_path / "priced"
    path.mkdir()
    monkeypatch.setenv("ZDG_PROVIDERS", str(settings_file(path, models=[row(ASKED, 1.0), row(OTHER, 1.0)])))
    said = asked(make(f"gemini:{ASKED}", max_usd=5.0), *range(5))
    assert all(isinstance(answer, Answer) for answer in said)
    assert len(local.log()) == 6
