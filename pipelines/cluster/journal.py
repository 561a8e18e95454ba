"""One JSON-lines log of a run, kept over all its resumptions: who did what from when to when."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
            self._file = self.path.open("a", encoding="utf-8", errors="backslashreplace")
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


def read_log(folder: Folder) -> list[dict[str, Any]]:
    """All records; the half line that a kill may leave at the end is dropped.

    Raises:
      FileNotFoundError: no log.
    """
    records = []
    for line in folder.read(LOG).decode("utf-8", "replace").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records
