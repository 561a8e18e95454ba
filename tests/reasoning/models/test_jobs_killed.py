"""The chain in batch mode, killed twice: every question is accepted once, and every task gets its answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.reasoning.models.conftest import Start
from tests.reasoning.models.fakes import ROOT, WAYS, Local
from tests.waiting import PATIENCE_S, until
from zdg_jax.cache import cache_dir
from zdg_jax.reasoning.models.batch_book import JobBook

TASKS = 4


def begin(api: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.reasoning.models.jobs_run", f"{api}:m", str(TASKS)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed_when(api: str, event: Callable[[], bool]) -> None:
    victim = begin(api)
    until(event, lambda: victim.poll() is None)
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()


def seen(local: Local, **what: Any) -> int:
    """How often the server saw it."""
    return sum(what.items() <= entry.items() for entry in local.log(questions=False))


def looks_at(local: Local, job: int) -> int:
    return sum(
        entry.get("path", "").endswith(f"/batches/batch_{job}") for entry in local.log(questions=False)
    )


def on_record() -> list[str | None]:
    """Numbers of the jobs that are on record as under way."""
    book = JobBook(cache_dir("answers") / "batches.sqlite")
    try:
        return [number for (number,) in book._run("SELECT number FROM jobs")]
    finally:
        book.close()


@pytest.mark.slow
@pytest.mark.parametrize("api", WAYS)
def test_killed_twice_and_nothing_is_paid_twice(api: str, start: Start) -> None:
    # Thumb and index on the hand's part: six questions a task, each answered well at once.
    script = {"func_part": [{"parts": [1], "needs_points": False}]}
    local = start(script=script, stalls=[1], jobs_end=1)

    # Accepted, and the reply never came: there is no number to be written down.
    killed_when(api, lambda: seen(local, stalled="batch_1") == 1)
    assert on_record() == [None]
    assert len(local.accepted()) == TASKS

    # The first job is found again and answers; the second has a number, and is waited for.
    killed_when(api, lambda: looks_at(local, 2) > 1)
    assert on_record()
    assert None not in on_record()
    assert len(local.accepted()) > TASKS

    local.release()
    last = begin(api)
    said, _ = last.communicate(timeout=PATIENCE_S)
    statuses, _ = json.loads(said)
    assert statuses == ["ok"] * TASKS
    accepted = Counter(local.accepted())
    assert set(accepted.values()) == {1}
    assert len(accepted) == 6 * TASKS
    assert on_record() == []
    jobs = Counter(entry["job"] for entry in local.log(questions=False) if "accepted" in entry)
    assert next(iter(jobs.values())) == TASKS  # questions of all tasks go together
    assert local.log() == []  # none at full price

    again = begin(api)
    said, _ = again.communicate(timeout=PATIENCE_S)
    assert json.loads(said) == [["ok"] * TASKS, 0]
    assert len(local.accepted()) == 6 * TASKS
