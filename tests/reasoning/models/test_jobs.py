"""Batch jobs over each API: what comes back, and what fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from google.genai import _api_client

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import BY_FILE, KEY, WAYS, settings_file
from tests.reasoning.models.jobs_asked import ask, settle
from tests.reasoning.models.questions import question
from zdg_jax.reasoning.models.remote import RemoteReasoner
from zdg_jax.reasoning.protocol import Answer
from zdg_jax.status import StageFailed


@pytest.mark.parametrize("api", WAYS)
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


@pytest.mark.parametrize("api", WAYS)
@pytest.mark.parametrize("fault", ["expired", "lost", "500", "429"])
def test_a_row_that_failed_goes_with_the_next_job(api: str, fault: str, start: Start, make: Make) -> None:
    local = start(planned=[fault, *[None] * 9])
    answers = ask(make(f"{api}:m", batch=True), 3)
    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert sorted(answer.call.attempts for answer in answers) == [1, 1, 2]
    assert sorted(Counter(local.accepted()).values()) == [1, 1, 2]


@pytest.mark.parametrize("api", WAYS)
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


@pytest.mark.parametrize("api", WAYS)
@pytest.mark.parametrize("end", ["expired", "failed", "cancelled"])
def test_ends_of_a_job(api: str, end: str, start: Start, make: Make) -> None:
    local = start(ends=[end])
    answers = ask(make(f"{api}:m", batch=True), 2)
    for_good = end == "cancelled" or (end == "failed" and "gemini" not in api)  # Gemini does not say why
    if for_good:
        assert {answer.status for answer in answers} == {"provider_rejected"}
    else:
        assert {answer.call.attempts for answer in answers} == {2}
    assert set(Counter(local.accepted()).values()) == {1 if for_good else 2}


@pytest.mark.parametrize("api", WAYS)
def test_a_refused_answer_is_asked_again_with_its_reason(api: str, start: Start, make: Make) -> None:
    local = start(planned=["malformed", "alien", None])
    said, attempts = settle(make(f"{api}:m", batch=True))
    assert not isinstance(said, StageFailed)
    assert [attempt["refused"] is None for attempt in attempts] == [False, False, True]
    assert sorted(Counter(local.accepted()).values()) == [1, 1, 1]


@pytest.mark.parametrize("api", WAYS)
def test_thought_that_eats_the_limit_gets_more_in_the_next_job(api: str, start: Start, make: Make) -> None:
    local = start(thinks=20000)
    (answer,) = ask(make(f"{api}:m", batch=True), 1)
    assert isinstance(answer, Answer) or answer.status == "provider_truncated"
    assert Counter(local.accepted()).most_common(1)[0][1] == 2


@pytest.mark.parametrize("api", ["openai-chat", BY_FILE])
def test_a_line_that_can_not_be_read_is_a_missing_one(api: str, start: Start, make: Make) -> None:
    local = start(planned=["half", *[None] * 9])
    answers = ask(make(f"{api}:m", batch=True), 3)
    assert sorted(answer.call.attempts for answer in answers) == [1, 1, 2]
    assert sorted(Counter(local.accepted()).values()) == [1, 1, 2]


def test_a_large_job_says_in_a_file_what_a_small_one_says_inside(
    start: Start, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_api_client, "CHUNK_SIZE", 1000)  # several pieces
    said, paths = list[list[str]](), list[list[str]]()
    for api in ("gemini", BY_FILE):
        monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / api))
        local = start()
        answers = ask(make(f"{api}:m", batch=True), 3)
        assert all(isinstance(answer, Answer) for answer in answers), answers
        log = local.log(questions=False)
        said.append(sorted(entry["said"] for entry in log if "accepted" in entry))
        paths.append([entry["path"] for entry in log if "path" in entry])
    assert len(said[0]) == 3
    assert said[0] == said[1]
    assert not any("upload" in path for path in paths[0])
    assert sum(path.startswith("/upload/") for path in paths[1]) == 1
    assert sum(path.startswith("/uploading/") for path in paths[1]) > 2


@pytest.mark.parametrize("takes", ["jsonl", "text/plain", None])
def test_another_kind_of_file_is_offered(takes: str | None, start: Start, make: Make) -> None:
    local = start(takes=[takes])
    reasoner = make(f"{BY_FILE}:m", batch=True)
    answers = ask(reasoner, 2)
    tries = sum(entry.get("path", "").startswith("/upload/") for entry in local.log(questions=False))
    assert tries == ["application/jsonl", "jsonl", "text/plain", None].index(takes) + (takes is not None)
    if takes is None:
        assert {answer.status for answer in answers} == {"provider_rejected"}
        assert local.accepted() == []
        return
    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert isinstance(ask(reasoner, 1, first=5)[0], Answer)  # remembers what is taken
    assert sum(e.get("path", "").startswith("/upload/") for e in local.log(questions=False)) == tries + 1


def test_answers_that_the_provider_has_deleted_are_not_paid_again(start: Start, make: Make) -> None:
    local = start(gone=True)
    answers = ask(make(f"{BY_FILE}:m", batch=True), 2)
    assert {answer.status for answer in answers} == {"provider_rejected"}
    assert "zdg cache clear" in answers[0].reason
    assert len(local.accepted()) == 2
