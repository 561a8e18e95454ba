"""Waiting in tests: for an event, never for an amount of time."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 3600.0
"""Ends a test that hangs; a test that works comes nowhere near it, on however slow a machine."""


def until(event: Callable[[], bool], alive: Callable[[], bool] = lambda: True) -> None:
    """Return once an event has come.

    Args:
      event: looked for twenty times a second.
      alive: whether it can still come.

    Raises:
      AssertionError: it can't come any more, or the patience has ended.
    """
    end = time.monotonic() + PATIENCE_S
    while not event():
        assert alive() or event(), "it can't come any more"
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
