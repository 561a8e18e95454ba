"""Processes of a local Ray that outlive it: a raylet that dies while it starts leaves its agents behind.

Only a Ray that was started within `marked` is touched. Its processes inherit a mark in their environment and
are below this process; agents wipe their environment, so they are known by a marked parent or, once that is
dead, by having been handed to this process in its place. Linux only; elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

MARK = "ZDG_RAY_MARK"
_PR_SET_CHILD_SUBREAPER = 36
_mark = ""


class _Process(NamedTuple):
    parent: int
    begun: str
    environ: bytes
    title: bytes


@contextmanager
def marked() -> Iterator[None]:
    """What is started within is ours to end; until `end_leftovers`, orphans below become our children."""
    global _mark
    before, _mark = os.environ.get(MARK), secrets.token_hex(8)
    os.environ[MARK] = _mark
    _adopt(True)
    try:
        yield
    finally:
        del os.environ[MARK]
        if before is not None:
            os.environ[MARK] = before


def end_leftovers() -> None:
    """Kill what is left of the Ray started within `marked`, if one was; gives up after five seconds."""
    global _mark
    if not _mark:
        return
    for _ in range(100):
        found = _ours()
        if not found:
            break
        for pid, process in found.items():
            _kill(pid, process)
        time.sleep(0.05)
    _mark = ""
    _adopt(False)


def _adopt(wanted: bool) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def _ours() -> dict[int, _Process]:
    """Living processes of our Ray."""
    living: dict[int, _Process] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            living[int(folder.name)] = _read(int(folder.name))
    root, known = os.getpid(), f"{MARK}={_mark}".encode()

    def ours(pid: int) -> bool:
        process = living.get(pid)
        if process is None or pid == root or not _below(pid, root, living):
            return False
        if known in process.environ.split(b"\0"):
            return True
        wiped = not process.environ.strip(b"\0") and process.title.startswith(b"ray::")
        return ours(process.parent) or (process.parent == root and wiped)

    return {pid: process for pid, process in living.items() if ours(pid)}


def _below(pid: int, root: int, living: dict[int, _Process]) -> bool:
    while pid in living:
        pid = living[pid].parent
        if pid == root:
            return True
    return False


def _read(pid: int) -> _Process:
    folder = Path(f"/proc/{pid}")
    state, parent, *more = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    if state in "ZX":
        raise ProcessLookupError
    return _Process(
        int(parent), more[17], (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
    )


def _kill(pid: int, process: _Process) -> None:
    """By a handle, looked at again through it: the number may have gone to somebody else meanwhile."""
    if sys.platform != "linux":
        return
    with suppress(OSError, ValueError, IndexError):
        handle = os.pidfd_open(pid)
        try:
            if _read(pid).begun == process.begun:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
