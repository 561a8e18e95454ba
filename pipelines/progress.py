"""What a person sees while a long command runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from zdg_jax.errors import printable


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

    @contextmanager
    def running(self) -> Iterator[Steps]:
        """Show the bar for as long as the block runs; off a terminal nothing needs to be shown."""
        if not self._console.is_terminal:
            yield self
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as self._bar:
            self._task = self._bar.add_task("", total=self.total)
            yield self
        self._bar = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step: named while it runs, timed when it is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=name)
        start = time.perf_counter()
        yield
        self.done += 1
        self.seconds[name] = time.perf_counter() - start
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
        self.say(f"[{self.done}/{self.total}] {name}: {self.seconds[name]:.1f} s")

    def say(self, line: str) -> None:
        """One plain line on stderr, above the bar if there is one."""
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
