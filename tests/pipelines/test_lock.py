"""One writer a folder: a second one is refused, a dead one's place is taken."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from pipelines import lock as lock_module
from pipelines.drivers.files import Folder
from pipelines.lock import LOCK, locked
from zdg_jax.errors import MachineError, UserError


@pytest.fixture(params=["local", "without flock", "memory"])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Folder]:
    if request.param == "without flock":

        def refuses(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuses)
    yield Folder("memory://zdg-lock/out" if request.param == "memory" else str(tmp_path))
    fsspec.filesystem("memory").store.clear()


def test_a_second_writer_is_refused_and_told_who_writes(folder: Folder) -> None:
    who = rf"process {os.getpid()} of {socket.gethostname()} \(generate"
    with folder.lock("generate"), pytest.raises(UserError, match=who):
        folder.lock("zdg synth").__enter__()
    with folder.lock("generate"):
        pass
    assert not [name for name in os.listdir(folder.local) if "lock" in name] if folder.local else True


def test_an_error_inside_gives_the_place_back(folder: Folder) -> None:
    with pytest.raises(ZeroDivisionError), folder.lock("generate"):
        _ = 1 / 0
    with folder.lock("generate"):
        pass


HOLDS = """
import sys, time
from pathlib import Path
from pipelines.lock import locked
with locked(Path(sys.argv[1]), command="held"):
    print("holds", flush=True)
    time.sleep(3600)
"""


def test_a_killed_holders_place_is_free_at_once(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "holds"
    with pytest.raises(UserError, match=f"process {holder.pid} of .* \\(held"):
        locked(tmp_path).__enter__()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert (tmp_path / LOCK).exists()  # what it left, and no hindrance
    with locked(tmp_path):
        pass


HERE = {"host": socket.gethostname(), "pid": os.getpid()}
DAY_S = 86400.0


@pytest.mark.parametrize(
    ("record", "age_s", "dead"),
    [
        ({**HERE, "pid": 2**22 + 5}, 0.0, True),  # beyond pid_max
        ({**HERE, "pid": 10**30}, 0.0, True),
        ({"host": "another", "pid": 1}, 0.0, False),
        ({"host": "another", "pid": 1}, 2 * lock_module.DEAD_S, True),
        ({"host": "another", "pid": 1}, -DAY_S, True),  # the clock was set back since, and nobody renews it
        (HERE, 0.0, False),
        # Whatever the clock says: this very process, and one whose number this one has.
        ({**HERE, "started": lock_module._started(os.getpid())}, DAY_S, False),
        ({**HERE, "started": lock_module._started(os.getpid())}, -DAY_S, False),
        ({**HERE, "started": "another boot 12"}, 0.0, True),
        ({"host": "another", "at": float("inf")}, None, True),
        ({"nonsense": 1}, None, True),
    ],
)
def test_a_record_of_a_dead_holder_is_taken_over(
    record: dict[str, object], age_s: float | None, dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "BEAT_S", 0.01)
    if age_s is not None:
        record = {**record, "at": time.time() - age_s}  # now, not when the tests were collected
    folder = Folder("memory://zdg-lock/other")
    folder.write(LOCK, json.dumps(record).encode())
    try:
        if dead:
            with folder.lock("generate"):
                pass
        else:
            with pytest.raises(UserError, match=r"is writing") as caught:
                folder.lock("generate").__enter__()
            assert ", -" not in str(caught.value)  # no negative age
    finally:
        fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize("shift_s", [DAY_S, -DAY_S])
def test_a_holder_whose_clock_differs_is_seen_to_live(
    shift_s: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its clock or ours was set, by a day; it renews its record, and that is what counts."""
    monkeypatch.setattr(lock_module, "BEAT_S", 0.01)

    class Renewed:
        beats = 0

        def read(self) -> bytes:
            self.beats += 1
            at = time.time() + shift_s + self.beats
            return json.dumps({"host": "another", "pid": 1, "at": at}).encode()

    with pytest.raises(UserError, match=r"process 1 of another .* is writing"):
        lock_module.claimed(Renewed(), "there").__enter__()
    assert "there has the lock of a run that may be dead" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        with pytest.raises(MachineError):
            locked(tmp_path / "gone").__enter__()
        return
    tmp_path.chmod(0o500)
    with pytest.raises(MachineError):
        locked(tmp_path).__enter__()
