"""The first Ctrl-C or SIGTERM ends a command in order, with one line; the second at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.lock import LOCK
from tests.pipelines.cluster.things import ROOT, sticks
from tests.waiting import PATIENCE_S, until

# A command that holds a folder while it works, as all of ours do.
COMMAND = """
import hashlib, sys, time, weakref
from dataclasses import dataclass
from pathlib import Path
from tyro.conf import Positional
from pipelines.lock import locked
from pipelines.runtime import program

@dataclass
class Options:
    out: Positional[str]
    deaf: bool = False
    lost: bool = False
    unborn: bool = False

async def never():
    pass

class Thing:
    pass

def told(_):  # what a weak reference's callback raises is dropped
    print("works", flush=True)
    time.sleep(3600)

def work(options):
    with locked(Path(options.out)):
        coroutine = never() if options.unborn else None  # made, and stopped before it is awaited
        try:
            if options.lost:
                thing = Thing()
                reference = weakref.ref(thing, told)
                del thing
            else:
                print("works", flush=True)
            if options.deaf:  # no handler of Python's runs before the end of this
                hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
            time.sleep(3600)
        except KeyboardInterrupt:
            if not options.deaf:
                raise
            time.sleep(3600)

sys.exit(program("pipelines.work", Options, None, work))
"""


def begun(out: Path, *more: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(out), *more], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "works\n"
    return process


@pytest.mark.parametrize("more", [(), ("--lost",), ("--unborn",)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_ends_it_in_order(number: signal.Signals, more: tuple[str, ...], tmp_path: Path) -> None:
    process = begun(tmp_path, *more)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + number
    assert said == "work: stopped\n"
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)])
def test_the_second_ends_it_at_once_whatever_it_is_in(
    numbers: tuple[signal.Signals, signal.Signals], tmp_path: Path
) -> None:
    process = begun(tmp_path, "--deaf")
    process.send_signal(numbers[0])
    while process.poll() is None:  # two of one kind that come together are one to the system
        process.send_signal(numbers[1])
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in [128 + number for number in numbers]  # two that come together have no order
    assert said.splitlines() == ["work: stopped at once"]
    again = begun(tmp_path)  # what the first left is no hindrance
    again.kill()
    again.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_synth_ends_in_order_and_the_same_command_does_it(number: signal.Signals, tmp_path: Path) -> None:
    out, words = tmp_path / "out", ("synth", sticks(tmp_path)[0], "lift it", "--num", "4", "--keep", "2")
    command = [sys.executable, "-m", "pipelines.cli", *words, "--steps", "5", "--out", str(out)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until((out / LOCK).exists, lambda: process.poll() is None)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + number, said
    assert said.splitlines()[-1] == "zdg: stopped"
    assert "Traceback" not in said
    assert not (out / LOCK).exists()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert again.returncode in (0, 4), again.stderr
    assert (out / "grasps.parquet").is_file()
