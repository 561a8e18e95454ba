"""One event loop in its own thread for all providers' traffic.

Stages render pictures on the caller's loop. If replies were awaited there too, a timeout would run out
while the reply lay unread, and be paid for again. Limits and shared answers also need one loop, whatever
loops the callers come and go with.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_running: dict[int, asyncio.AbstractEventLoop] = {}  # by process id: a forked child needs its own


def io_loop() -> asyncio.AbstractEventLoop:
    """This process's loop, started on first use."""
    with _lock:
        loop = _running.get(os.getpid())
        if loop is None:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="zdg-io", daemon=True).start()
            _running[os.getpid()] = loop
        return loop


async def on_io(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine there and await it here; cancelling here cancels there."""
    loop = io_loop()
    if asyncio.get_running_loop() is loop:
        return await work
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


def wait_on_io(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """The same for callers without a loop.

    Raises:
      TimeoutError: it took longer than `timeout` seconds.
    """
    return asyncio.run_coroutine_threadsafe(work, io_loop()).result(timeout)
