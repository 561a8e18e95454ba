"""Runs that start a Ray of their own, and everyone who belongs to one."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.pipelines.cluster.things import Running, generate
from tests.waiting import until

MARK = "ZDG_TEST_RUN"


@contextmanager
def own_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yields Ray's folder; who is started within carries a mark by which `members` finds them."""
    folder = Path(tempfile.mkdtemp(prefix="zr"))  # short: sockets' paths may have 107 letters
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    monkeypatch.setenv(MARK, secrets.token_hex(8))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    try:
        yield folder
    finally:
        power_off()
        shutil.rmtree(folder, ignore_errors=True)


def members() -> list[int]:
    """Every living process that the runs of this test started: drivers, GCS, raylets, agents, workers.

    Agents wipe their environment; they keep a log of Ray's folder open.
    """
    mark, found = f"{MARK}={os.environ[MARK]}".encode(), []
    ray = os.environ["RAY_TMPDIR"] + os.sep
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(folder.name) == os.getpid():
                continue
            marked = mark in (folder / "environ").read_bytes()
            if marked or any(os.readlink(each).startswith(ray) for each in (folder / "fd").iterdir()):
                found.append(int(folder.name))
    return found


def power_off() -> int:
    """SIGKILL to all of them; returns how many there were."""
    first = members()
    alive = first
    while alive:
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        alive = members()
    return len(first)


def all_gone() -> None:
    """Returns once nobody is left."""
    until(lambda: not members())


NOT_UP = "no Ray cluster at this machine"


def finished(tasks: Path, out: Path, *more: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of a run whose Ray came up, however often a busy machine needs for it."""
    while True:
        code, said, errors = generate(tasks, out, *more).ends()
        if NOT_UP not in errors:
            return code, said, errors


def begun(tasks: Path, out: Path, *more: str) -> Running:
    """The same, as soon as Ray is up."""
    while True:
        run = generate(tasks, out, *more)
        before = len(run.log())
        while run.process.poll() is None:
            if any(entry["event"] == "start" for entry in run.log()[before:]):
                return run
            time.sleep(0.05)
        _, said = run.process.communicate()
        assert NOT_UP in said, said
