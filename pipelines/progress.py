"""What a person sees while a long command runs: a bar with what is left, or plain lines off a terminal."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from zdg_jax.cache import cache_dir
from zdg_jax.errors import printable

#: Off a terminal a step is silent for so long at first, seconds.
BEAT_S = 2.0


class _Left(ProgressColumn):
    """How long a step still takes if it takes as long as the last time on this machine."""

    def render(self, task: Task) -> Text:
        ends = task.fields.get("ends")
        if ends is None:
            return Text("")
        left = ends - time.perf_counter()
        return Text(f"about {left:.0f} s left in this step" if left > 0 else "longer than the last time")


class Steps:
    """Counts named steps of one command on stderr.

    >>> with Steps(2).running() as steps:
    ...     with steps.step("load"):
    ...         pass

    Args:
      total: how many steps the command has.
      console: where to write; stderr by default.
    """

    def __init__(self, total: int, console: Console | None = None) -> None:
        self.total, self.done = total, 0
        self.seconds: dict[str, float] = {}
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._before: dict[str, float] = {}

    @contextmanager
    def running(self) -> Iterator[Steps]:
        """Show the bar for as long as the block runs; off a terminal nothing needs to be shown."""
        if not self._console.is_terminal:
            yield self
            return
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), _Left()
        )  # fmt: skip
        self._before = _durations()
        with Progress(*columns, console=self._console, transient=True) as self._bar:
            self._task = self._bar.add_task("", total=self.total)
            yield self
        self._bar = None
        _remember({**self._before, **self.seconds})

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step: named while it runs, timed when it is done."""
        if self._bar is not None and self._task is not None:
            before = self._before.get(name)
            ends = None if before is None else time.perf_counter() + before
            self._bar.update(self._task, description=name, ends=ends)
        start = time.perf_counter()
        ended = threading.Event()
        if self._bar is None:
            threading.Thread(target=self._beat, args=(name, start, ended), daemon=True).start()
        try:
            yield
        finally:
            ended.set()
        self.done += 1
        self.seconds[name] = time.perf_counter() - start
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        self.say(f"[{self.done}/{self.total}] {name}: {self.seconds[name]:.1f} s")

    def _beat(self, name: str, start: float, ended: threading.Event) -> None:
        """Off a terminal: says that a step still runs, after `BEAT_S`, and again after twice as long."""
        wait = BEAT_S
        while not ended.wait(wait):
            self.say(f"[{self.done + 1}/{self.total}] {name} ... {time.perf_counter() - start:.0f} s")
            wait *= 2

    def say(self, line: str) -> None:
        """One plain line on stderr, above the bar if there is one."""
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


#: Of so many steps the last duration is kept.
_MOST = 200


def _durations() -> dict[str, float]:
    """Seconds of each step the last time; nothing where nothing can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        known = json.loads((cache_dir("progress") / "steps.json").read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in known.items()}
    return {}


def _remember(seconds: dict[str, float]) -> None:
    with contextlib.suppress(OSError):  # a cache that can't be written costs the estimate
        kept = dict(list(seconds.items())[-_MOST:])
        (cache_dir("progress") / "steps.json").write_text(json.dumps(kept), encoding="utf-8")
