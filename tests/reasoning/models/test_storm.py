"""A bad day at the provider, and a kill in the middle: nothing is lost and nothing is paid twice."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.reasoning.models.batch import ask_all_until_valid, captured_queries
from tests.reasoning.models.conftest import Make, Start, Waits
from tests.reasoning.models.fakes import APIS, ROOT, settings_file
from tests.waiting import PATIENCE_S, until
from zdg_jax.reasoning.models import faults
from zdg_jax.status import Status

FAULTS = {"429": 0.20, "500": 0.10, "hang": 0.05, "malformed": 0.10, "refusal": 0.05, "alien": 0.05}
ENDS = {status.value for status in Status}
# One request in twenty hangs, so the time-out is really waited for; an answer takes far less.
TASKS, IN_FLIGHT, LATENCY, TIMEOUT = 200, 64, 1.0, 40.0
RETRY_AFTER, LONGEST = 1, 1.0
pytestmark = pytest.mark.usefixtures("little_log")


def labels(answer: dict) -> list[str]:
    """What an answer chose among the candidates: neither texts, nor yes or no, nor parts to leave free."""
    texts = ("reasoning", "thumb_name", "index_name", "keep_free")
    chosen = [v for k, v in answer.items() if k not in texts and not isinstance(v, bool)]
    return [str(label) for value in chosen for label in (value if isinstance(value, list) else [value])]


@pytest.mark.slow
@pytest.mark.parametrize("api", APIS)
def test_a_storm(
    api: str,
    start: Start,
    make: Make,
    waits: Waits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    queries = captured_queries()
    settings = {"concurrency": IN_FLIGHT, "timeout_s": TIMEOUT, "max_tries": 8}
    settings_file(tmp_path, settings={**settings, "first_wait_s": 0.2, "longest_wait_s": LONGEST})
    start(latency=LATENCY)
    assert Counter(status for status, _ in ask_all_until_valid(make(f"{api}:m"), queries, TASKS)) == {
        "ok": TASKS
    }
    assert waits() == []

    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "other"))  # otherwise nothing would be asked at all
    local = start(latency=LATENCY, faults=FAULTS, retry_after=RETRY_AFTER, seed=7)
    caplog.set_level(logging.INFO, faults.__name__)
    done = ask_all_until_valid(make(f"{api}:m"), queries, TASKS)
    log = local.log()
    seen = Counter(entry["fault"] for entry in log)
    ends = Counter(status for status, _ in done)
    print(f"\n{api}: {len(log)} requests; {seen}; {ends}")

    assert len(done) == TASKS
    assert set(ends) <= ENDS
    assert ends["ok"] > TASKS / 2
    for name, share in FAULTS.items():
        assert 0.7 * share < seen[name] / len(log) < 1.3 * share
    stages = [stage for _, trace in done for stage in trace]
    for stage in stages:
        if stage["answer"] is not None:
            assert set(labels(stage["answer"])) <= set(stage["candidates"])
    assert not any(entry["too_early"] for entry in log)
    # Every answer that the server gave, good or bad, stands in exactly one task's calls.
    calls = [a["call"] for stage in stages for a in stage["attempts"]]
    assert sum(call["attempts"] for call in calls) == len(log)
    paid = sum(call["output_tokens"] is not None for call in calls)
    assert paid == sum("answered" in entry for entry in log)
    # No try waits longer than the policy says: what the storm costs is its own requests, and short waits.
    assert len(waits()) == sum(call["attempts"] - 1 for call in calls)
    assert max(waits()) < RETRY_AFTER + 0.2


def start_batch(tasks: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.reasoning.models.batch", "openai-chat:m", str(tasks)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kept_answers() -> int:
    path = Path(os.environ["ZDG_CACHE_DIR"]) / "answers" / "answers.sqlite"
    with closing(sqlite3.connect(path)) as cache:
        return cache.execute("SELECT count(*) FROM answers").fetchone()[0]


@pytest.mark.slow
def test_killed_in_the_middle_no_answered_question_is_asked_again(start: Start, tmp_path: Path) -> None:
    tasks, in_flight, answered = 12, 8, 24
    settings_file(tmp_path, settings={"concurrency": in_flight})
    # Thumb and index on the hand's part: six questions a task, each answered well at once.
    script = {"func_part": [{"parts": [1], "needs_points": False}]}
    local = start(latency=0.1, script=script, answers=answered)
    victim = start_batch(tasks)
    # The middle: all that is answered is kept, and all places are taken by questions that are not.
    until(lambda: local.held() == in_flight and kept_answers() == answered, lambda: victim.poll() is None)
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    before = {entry["digest"] for entry in local.log()}
    assert len(before) == answered + in_flight

    local.release()
    second = start_batch(tasks)
    said, _ = second.communicate(timeout=PATIENCE_S)
    statuses, requests = json.loads(said)
    assert statuses == ["ok"] * tasks
    assert kept_answers() == 6 * tasks
    asked = Counter(entry["digest"] for entry in local.log())
    again = [digest for digest, times in asked.items() if times > 1]
    assert set(again) <= before
    assert len(again) == in_flight  # only what was still under way when the process died
    assert len(asked) == 6 * tasks
    assert requests == 6 * tasks - answered
