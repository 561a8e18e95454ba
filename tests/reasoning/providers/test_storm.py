"""A bad day at the provider, and a kill in the middle: nothing is lost and nothing is paid twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.reasoning.providers.batch import captured_inquiries, settle_all
from tests.reasoning.providers.conftest import Make, Start
from tests.reasoning.providers.fakes import APIS, ROOT, settings_file
from zdg_jax.reasoning.status import Status

FAULTS = {"429": 0.20, "500": 0.10, "hang": 0.05, "malformed": 0.10, "refusal": 0.05, "alien": 0.05}
ENDS = {status.value for status in Status}
TASKS, IN_FLIGHT, LATENCY, TIMEOUT = 200, 64, 1.0, 4.0
pytestmark = pytest.mark.usefixtures("little_log")


def labels(answer: dict) -> list[str]:
    values = [value for name, value in answer.items() if name not in ("reasoning", "needs_points")]
    return [str(label) for value in values for label in (value if isinstance(value, list) else [value])]


@pytest.mark.slow
@pytest.mark.parametrize("api", APIS)
def test_a_storm(api: str, start: Start, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inquiries = captured_inquiries()
    settings = {"concurrency": IN_FLIGHT, "timeout_s": TIMEOUT, "first_wait_s": 0.2, "longest_wait_s": 1.0}
    settings_file(tmp_path, settings={**settings, "max_tries": 8, "max_wait_s": 60.0})
    calm = start(latency=LATENCY)
    started = time.perf_counter()
    assert Counter(status for status, _ in settle_all(make(f"{api}:m"), inquiries, TASKS)) == {"ok": TASKS}
    fault_free, asked = time.perf_counter() - started, len(calm.log())

    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "other"))  # otherwise nothing would be asked at all
    local = start(latency=LATENCY, faults=FAULTS, retry_after=1, seed=7)
    started = time.perf_counter()
    done = settle_all(make(f"{api}:m"), inquiries, TASKS)
    wall = time.perf_counter() - started
    log = local.log()
    seen = Counter(entry["fault"] for entry in log)
    ends = Counter(status for status, _ in done)
    # Half of all requests fail, so each question needs about two. The bound is what as many requests take
    # on this machine where none fails.
    bound = fault_free * len(log) / asked
    print(f"\n{api}: {asked} requests in {fault_free:.1f} s, {len(log)} in {wall:.1f} s; {seen}; {ends}")

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
    assert wall < 1.5 * bound


def start_batch(tasks: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.reasoning.providers.batch", "openai-chat:m", str(tasks)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_killed_in_the_middle_no_answered_question_is_asked_again(start: Start, tmp_path: Path) -> None:
    tasks, in_flight = 12, 8
    settings_file(tmp_path, settings={"concurrency": in_flight})
    # Thumb and index on the hand's part: six questions a task, each answered well at once.
    local = start(latency=0.1, script={"func_part": [{"parts": [1], "needs_points": False}]})
    victim = start_batch(tasks)
    deadline = time.monotonic() + 120
    while len(local.log()) < 30 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    before = {entry["digest"] for entry in local.log()}
    with sqlite3.connect(Path(os.environ["ZDG_CACHE_DIR"]) / "answers" / "answers.sqlite") as cache:
        kept = cache.execute("SELECT count(*) FROM answers").fetchone()[0]
    cache.close()
    assert 30 - in_flight <= kept < 6 * tasks
    assert len(before) - kept <= in_flight

    second = start_batch(tasks)
    said, _ = second.communicate(timeout=300)
    statuses, requests = json.loads(said)
    assert statuses == ["ok"] * tasks
    asked = Counter(entry["digest"] for entry in local.log())
    again = [digest for digest, times in asked.items() if times > 1]
    assert set(again) <= before
    assert len(again) == len(before) - kept  # only what was still under way when the process died
    assert len(asked) == 6 * tasks
    assert requests == 6 * tasks - kept
