"""Batch jobs on record and what they cost: nothing is paid twice, nothing secret is kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import run_cache
from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import APIS, BY_FILE, KEY, WAYS, settings_file
from tests.reasoning.models.jobs_asked import ask
from tests.reasoning.models.questions import question
from zdg_jax.cache import cache_dir
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models import exchange
from zdg_jax.reasoning.models.batch_book import JobBook, job_book
from zdg_jax.reasoning.models.batch_openai_jobs import OpenAIJobs
from zdg_jax.reasoning.protocol import Answer, ReasonerError

PRICE = {"input": 2.0, "cached": 0.5, "output": 8.0, "batch_input": 1.0, "batch_output": 4.0}
ROW = {"provider": "compatible", "id": "m", "prices": [PRICE], "read": "2026-01-01", "source": "a test"}
PAID = (1000 * 1.0 + 50 * 4.0) / 1e6


def on_record(api: str, local: Any, reasoner: Any, token: str) -> JobBook:
    """The record, with a job of the first question that is about to be submitted."""
    book = job_book(cache_dir("answers"))
    book.intend(
        (api.replace(BY_FILE, "gemini"), local.url, "m"), token, exchange.keys(question(0), reasoner.wire)
    )
    return book


@pytest.mark.parametrize("api", WAYS)
def test_a_job_that_was_never_accepted_is_submitted_again(api: str, start: Start, make: Make) -> None:
    """Written down, and then the process died."""
    local = start()
    reasoner = make(f"{api}:m", batch=True)
    book = on_record(api, local, reasoner, "never-seen")
    answers = ask(reasoner, 2)
    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert sorted(Counter(local.accepted()).values()) == [1, 1]
    assert book.waiting() == (0, 0)


@pytest.mark.parametrize("api", WAYS)
def test_a_job_whose_acceptance_was_not_heard_is_looked_for(api: str, start: Start, make: Make) -> None:
    local = start(drops=[1])
    answers = ask(make(f"{api}:m", batch=True), 3)
    assert {answer.call.attempts for answer in answers} == {1}
    assert sorted(Counter(local.accepted()).values()) == [1, 1, 1]


@pytest.mark.parametrize("api", WAYS)
def test_a_job_that_the_key_does_not_know_is_not_paid_again(api: str, start: Start, make: Make) -> None:
    local = start()
    reasoner = make(f"{api}:m", batch=True)
    book = on_record(api, local, reasoner, "t")
    book.accepted("t", "batches/gone" if "gemini" in api else "batch_gone")
    (failure,) = ask(reasoner, 1)
    assert isinstance(failure, ReasonerError)
    assert failure.status == "provider_rejected"
    assert "zdg cache clear" in failure.reason
    assert local.accepted() == []
    assert "1 questions in 1 batch jobs" in run_cache("stats")
    assert "1 batch jobs under way" in run_cache("clear")
    assert isinstance(ask(reasoner, 1)[0], Answer)


def test_a_full_job_goes_by_itself(start: Start, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenAIJobs, "most_rows", 2)
    local = start()
    reasoner = make("openai-chat:m", batch=True)

    async def four() -> list[Any]:
        return await asyncio.gather(*(reasoner.ask(question(n)) for n in range(4)))

    assert len(asyncio.run(four())) == 4  # nobody flushed
    jobs = Counter(entry["job"] for entry in local.log(questions=False) if "accepted" in entry)
    assert list(jobs.values()) == [2, 2]


def test_half_price_and_the_limit_on_money(start: Start, make: Make, tmp_path: Path) -> None:
    abilities = [{"models": ["m"], "max_output_tokens": 100, "max_tokens_name": "max_tokens"}]
    settings_file(tmp_path, models=[ROW], abilities=abilities)
    local = start()
    # What one question may cost is more than a third of the limit, what it costs far less.
    reasoner = make("openai-chat:m", batch=True, max_usd=0.0055)
    answers = ask(reasoner, 1) + ask(reasoner, 1, 1) + ask(reasoner, 1, 2)
    assert [answer.call.cost_usd for answer in answers] == pytest.approx([PAID] * 3)
    assert len(local.accepted()) == 3
    (failure,) = ask(make("openai-chat:m", batch=True, max_usd=0.001), 1, first=9)
    assert failure.status == "budget_exhausted"
    assert len(local.accepted()) == 3


def test_what_does_not_fit_beside_others_waits_for_them(start: Start, make: Make, tmp_path: Path) -> None:
    abilities = [{"models": ["m"], "max_output_tokens": 100, "max_tokens_name": "max_tokens"}]
    settings_file(tmp_path, models=[ROW], abilities=abilities)
    local = start()
    # Two of them may cost up to 0.0039 and do cost 0.0024; then the third fits.
    reasoner: Any = make("openai-chat:m", batch=True, max_usd=0.0055)

    async def three() -> list[Any]:
        asking = asyncio.gather(*(reasoner.ask(question(n)) for n in range(3)))
        while not asking.done():
            reasoner.flush()
            await asyncio.wait({asking}, timeout=0.05)
        return asking.result()

    assert [answer.call.attempts for answer in asyncio.run(three())] == [1, 1, 1]
    jobs = Counter(entry["job"] for entry in local.log(questions=False) if "accepted" in entry)
    assert len(jobs) >= 2


def test_a_limit_without_a_batch_price_is_refused(start: Start, make: Make, tmp_path: Path) -> None:
    plain = {name: value for name, value in PRICE.items() if "batch" not in name}
    settings_file(tmp_path, models=[{**ROW, "prices": [plain]}])
    start()
    make("openai-chat:m", max_usd=1.0)
    with pytest.raises(UserError, match="batch price is unknown"):
        make("openai-chat:m", batch=True, max_usd=1.0)


def test_who_has_no_batch_api(start: Start, make: Make) -> None:
    start(no_jobs=True)
    for api in APIS:
        with pytest.raises(UserError, match="leave --batch-api out") as caught:
            make(f"{api}:m", batch=True, check=True)
        assert len(str(caught.value).splitlines()) == 1
    book = job_book(cache_dir("answers"))
    assert book.waiting() == (0, 0)


def test_nothing_secret_is_on_record(start: Start, make: Make) -> None:
    start(script={"rotation": [{"rotation": 1, "reasoning": KEY}]})
    ask(make("openai-chat:m", batch=True), 1)
    folder = cache_dir("answers")
    book = job_book(folder)
    book.close()
    found = [path.read_bytes() for path in folder.iterdir()]
    assert any(b"rotation" in each for each in found)
    assert not any(KEY.encode() in each for each in found)
    assert (folder / "batches.sqlite").stat().st_mode & 0o077 == 0
