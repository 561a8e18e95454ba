"""Batch jobs over each API: what comes back, what fails, what is found again."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import run_cache
from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import APIS, KEY, settings_file
from tests.reasoning.models.questions import query, question
from zdg_jax.cache import cache_dir
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models import exchange
from zdg_jax.reasoning.models.batch.book import job_book
from zdg_jax.reasoning.models.batch.openai_jobs import OpenAIJobs
from zdg_jax.reasoning.models.remote import RemoteReasoner
from zdg_jax.reasoning.protocol import Answer, ReasonerError
from zdg_jax.reasoning.query import ask_until_valid
from zdg_jax.status import StageFailed

PRICE = {"input": 2.0, "cached": 0.5, "output": 8.0, "batch_input": 1.0, "batch_output": 4.0}
ROW = {"provider": "compatible", "id": "m", "prices": [PRICE], "read": "2026-01-01", "source": "a test"}
PAID = (1000 * 1.0 + 50 * 4.0) / 1e6


def all_of(reasoner: Any, asked: list[Any]) -> list[Any]:
    """Answers or failures; the first job has all questions that a job can have."""

    async def everything() -> list[Any]:
        asking = asyncio.gather(*asked, return_exceptions=True)
        whole = False
        while not asking.done():
            whole = whole or len(reasoner.wire._asked) == len(asked)
            if whole:
                reasoner.flush()
            await asyncio.wait({asking}, timeout=0.05)
        return asking.result()

    return asyncio.run(everything())


def ask(reasoner: Any, count: int, first: int = 0) -> list[Any]:
    return all_of(reasoner, [reasoner.ask(question(n)) for n in range(first, first + count)])


def settle(reasoner: Any, number: int = 0) -> tuple[Any, list[dict[str, Any]]]:
    trace: list[dict[str, Any]] = []
    (said,) = all_of(reasoner, [ask_until_valid(query(number), reasoner, 3, trace)])
    return said, trace[0]["attempts"]


@pytest.mark.parametrize("api", APIS)
def test_questions_share_a_job_and_answers_the_cache(api: str, start: Start, make: Make) -> None:
    local = start(answered_by="m-2026-01-01")
    reasoner = make(f"{api}:m", batch=True, check=True)
    answers = ask(reasoner, 5)
    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert {answer.call.attempts for answer in answers} == {1}
    assert {answer.call.model for answer in answers} == {"m-2026-01-01"}
    accepted = local.accepted()
    assert len(set(accepted)) == len(accepted) == 5
    assert isinstance(reasoner, RemoteReasoner)
    assert set(accepted) == {reasoner.key(question(n), answers[n].call) for n in range(5)}
    assert local.log() == []  # none went out by itself
    again = asyncio.run(make(f"{api}:m").ask(question(2)))  # the live mode reads the same cache
    assert again.call.attempts == 0
    assert local.log() == []


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("fault", ["expired", "lost", "500", "429"])
def test_a_row_that_failed_goes_with_the_next_job(api: str, fault: str, start: Start, make: Make) -> None:
    local = start(planned=[fault, *[None] * 9])
    answers = ask(make(f"{api}:m", batch=True), 3)
    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert sorted(answer.call.attempts for answer in answers) == [1, 1, 2]
    assert sorted(Counter(local.accepted()).values()) == [1, 1, 2]


@pytest.mark.parametrize("api", APIS)
def test_what_lasts_has_the_live_mode_s_status(api: str, start: Start, make: Make, tmp_path: Path) -> None:
    settings_file(tmp_path, settings={"max_tries": 2})
    start(planned=["500", "500", "refusal", "refusal", "refusal"])
    failure, attempts = settle(make(f"{api}:m", batch=True))
    assert isinstance(failure, StageFailed)
    assert failure.status == "provider_unavailable"
    assert attempts[-1]["call"]["attempts"] == 2
    assert KEY not in str(attempts)
    failure, attempts = settle(make(f"{api}:m", batch=True), 1)
    assert failure.status == "provider_refused"
    assert len(attempts) == 3


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("end", ["expired", "failed", "cancelled"])
def test_ends_of_a_job(api: str, end: str, start: Start, make: Make) -> None:
    local = start(ends=[end])
    answers = ask(make(f"{api}:m", batch=True), 2)
    for_good = end == "cancelled" or (end == "failed" and api != "gemini")  # Gemini does not say why
    if for_good:
        assert {answer.status for answer in answers} == {"provider_rejected"}
    else:
        assert {answer.call.attempts for answer in answers} == {2}
    assert set(Counter(local.accepted()).values()) == {1 if for_good else 2}


@pytest.mark.parametrize("api", APIS)
def test_a_refused_answer_is_asked_again_with_its_reason(api: str, start: Start, make: Make) -> None:
    local = start(planned=["malformed", "alien", None])
    said, attempts = settle(make(f"{api}:m", batch=True))
    assert not isinstance(said, StageFailed)
    assert [attempt["refused"] is None for attempt in attempts] == [False, False, True]
    assert sorted(Counter(local.accepted()).values()) == [1, 1, 1]


@pytest.mark.parametrize("api", APIS)
def test_thought_that_eats_the_limit_gets_more_in_the_next_job(api: str, start: Start, make: Make) -> None:
    local = start(thinks=20000)
    (answer,) = ask(make(f"{api}:m", batch=True), 1)
    assert isinstance(answer, Answer) or answer.status == "provider_truncated"
    assert Counter(local.accepted()).most_common(1)[0][1] == 2


@pytest.mark.parametrize("api", APIS)
def test_a_job_that_was_never_accepted_is_submitted_again(api: str, start: Start, make: Make) -> None:
    """Written down, and then the process died."""
    local = start()
    reasoner = make(f"{api}:m", batch=True)
    keys = exchange.keys(question(0), reasoner.wire)  # type: ignore[attr-defined]
    book = job_book(cache_dir("answers"))
    book.intend((api, local.url, "m"), "never-seen", keys)
    answers = ask(reasoner, 2)
    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert sorted(Counter(local.accepted()).values()) == [1, 1]
    assert book.waiting() == (0, 0)


@pytest.mark.parametrize("api", APIS)
def test_a_job_that_the_key_does_not_know_is_not_paid_again(api: str, start: Start, make: Make) -> None:
    local = start()
    reasoner = make(f"{api}:m", batch=True)
    keys = exchange.keys(question(0), reasoner.wire)  # type: ignore[attr-defined]
    book = job_book(cache_dir("answers"))
    book.intend((api, local.url, "m"), "t", keys)
    book.accepted("t", "batches/gone" if api == "gemini" else "batch_gone")
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
