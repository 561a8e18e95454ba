"""One JSON-lines log of a run, kept over all its resumptions: who did what from when to when."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, FiniteFloat, NonNegativeInt, PositiveInt

from pipelines.cluster.clock import now
from pipelines.cluster.files import Folder
from zdg_jax.errors import MachineError, UserError

LOG = "log.jsonl"


class Journal:
    """Appends records `{"at": seconds since 1970, "event": ..., ...}`.

    Events: start, actor (stage, pid), span (stage, tasks, begin, end, pid), tick (calls in flight, ...),
    shard, end. In a bucket, where nothing can be appended, the log is written whole by `sync`.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        if folder.local is not None:
            self.path = folder.local / LOG
        else:
            handle, name = tempfile.mkstemp(prefix="zdg-generate-", suffix=".jsonl")
            os.close(handle)
            self.path = Path(name)
            if folder.exists(LOG):
                self.path.write_bytes(folder.read(LOG))
        try:
            half = _half_line(self.path)
            self._file = self.path.open("a", encoding="utf-8", errors="backslashreplace")
            if half:  # of a run that was killed: the next record is no part of it
                self._file.write("\n")
        except OSError as error:
            got = f"{self.path} ({error.strerror})"
            raise UserError(got, "a log that can be written", "remove it, or choose another --out") from error

    def write(self, event: str, **fields: Any) -> None:
        """One record; it is on its way to the disk when this returns."""
        line = json.dumps({"at": round(now(), 3), "event": event, **fields}, ensure_ascii=False)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def span(self, stage: str, tasks: Sequence[str], begin: float, end: float, pid: int, **more: Any) -> None:
        """One piece of a stage's work."""
        times = {"begin": round(begin, 3), "end": round(end, 3)}
        self.write("span", stage=stage, tasks=list(tasks), **times, pid=pid, **more)

    def sync(self) -> None:
        """Copy the log to where the dataset is, if it isn't there."""
        if self._folder.local is None:
            self._folder.write(LOG, self.path.read_bytes())

    def close(self) -> None:
        """What can't be written any more is lost: a log is no data, and must not hide why a run ends."""
        with contextlib.suppress(OSError, MachineError):
            self.sync()
        with contextlib.suppress(OSError):
            self._file.close()
        if self._folder.local is None:
            self.path.unlink(missing_ok=True)


def _half_line(path: Path) -> bool:
    """Whether a log ends in the middle of a line. Raises OSError: a folder or a pipe."""
    if not path.exists():
        return False
    if not path.is_file():
        raise FileExistsError(errno.EEXIST, "no regular file")
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")


def read_log(folder: Folder) -> list[dict[str, Any]]:
    """All records; the half line that a kill may leave, and whatever else is none, is dropped.

    Raises:
      FileNotFoundError: no log.
    """
    records = []
    for line in folder.read(LOG).decode("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):  # pydantic's is a ValueError too
            record = json.loads(line)
            _KINDS.get(_Record.model_validate(record).event, _Record).model_validate(record)
            records.append(record)
    return records


class _Record(BaseModel):
    """What readers rely on; more may stand in it."""

    at: FiniteFloat
    event: str


class _Start(_Record):
    steps: PositiveInt | None = None
    num: PositiveInt | None = None
    resources: dict[str, FiniteFloat] = {}


class _Span(_Record):
    stage: str
    tasks: list[str]
    begin: FiniteFloat
    end: FiniteFloat
    pid: int = 0
    process_s: FiniteFloat = 0.0


class _Tick(_Record):
    calls_in_flight: NonNegativeInt = 0


_KINDS: dict[str, type[_Record]] = {"start": _Start, "span": _Span, "tick": _Tick}
