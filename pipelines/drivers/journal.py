"""One JSON-lines log of a run, kept over all its resumptions: who did what from when to when.

`python -m pipelines.drivers.journal DIR` makes a table of it: when which stage was at work."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, FiniteFloat, NonNegativeInt, PositiveInt

from pipelines.drivers.files import Folder
from zdg_jax.errors import MachineError, UserError, printable

_SHIFT = time.time() - time.monotonic()


def now() -> float:
    """Seconds since 1970 by the clock as it stood when the process began.

    A system clock that is set meanwhile changes no duration and no order in the log.
    """
    return _SHIFT + time.monotonic()


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


STAGES = ("prepare", "reason", "refine", "simulate")


def timeline(log: Sequence[dict[str, Any]], rows: int = 12) -> str:
    """Markdown: by interval of the last run in the log, tasks through each stage and how busy it was.

    Busy is the time of all its work over the interval's; over 100 % are several workers, or, in reasoning,
    tasks that wait for answers together.

    Args:
      log: of `read_log`.
      rows: intervals.
    """
    first = max(i for i, record in enumerate(log) if record["event"] == "start")
    run = log[first:]
    begin, end = run[0]["at"], max(run[-1]["at"], run[0]["at"] + 1e-3)
    spans = [record for record in run if record["event"] == "span"]
    ticks = [record for record in run if record["event"] == "tick"]
    heads = "".join(f" {stage} done / busy |" for stage in STAGES)
    lines = [f"| until s | calls in flight, mean / most |{heads}", "|" + "---|" * (2 + len(STAGES))]
    for number in range(rows):
        low, high = (begin + (end - begin) * (number + k) / rows for k in (0, 1))
        flying = [t.get("calls_in_flight", 0) for t in ticks if low <= t["at"] < high] or [0]
        cells = [f"{high - begin:.0f}", f"{sum(flying) / len(flying):.1f} / {max(flying)}"]
        for stage in STAGES:
            mine = [span for span in spans if span["stage"] == stage]
            done = sum(len(span["tasks"]) for span in mine if span["end"] <= high)
            busy = sum(max(0.0, min(span["end"], high) - max(span["begin"], low)) for span in mine)
            cells.append(f"{done} / {100 * busy / (high - low):.0f} %")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns: 0 printed, 2 there is no log."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.drivers.journal", description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--rows", type=int, default=12)
    asked = parser.parse_args(argv)
    try:
        log = read_log(Folder(asked.out, make=False))
    except (OSError, UserError):
        log = []
    if not any(record["event"] == "start" for record in log):
        print(printable(f"zdg: no log of a run in {asked.out}"), file=sys.stderr)
        return 2
    print(printable(timeline(log, max(1, asked.rows)), keep="\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
