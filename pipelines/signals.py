"""Ctrl-C and SIGTERM: the first ends a command in order, the second at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Told to the watching thread, no signal's number: a KeyboardInterrupt was lost.
_LOST = 255


class Heed:
    """What a command does about signals; `number` is the first one that came, 0 before."""

    def __init__(self, said: str) -> None:
        self.number = 0
        self.instead: Callable[[], object] | None = None
        self._said, self._count, self._own = said, 0, 0

    @property
    def status(self) -> int:
        """Exit status."""
        return 128 + (self.number or signal.SIGINT)

    def handle(self, number: int, _frame: Any) -> None:
        """In the main thread, once it runs Python again."""
        self.number = self.number or number
        if self.instead is None:
            raise KeyboardInterrupt
        self.instead()

    def watch(self, told: socket.socket) -> None:
        """In a thread of its own: compiling or simulating may keep the main one for long."""
        while data := told.recv(64):
            for number in data:
                if number == _LOST:
                    time.sleep(0.05)  # until the callback that swallowed it is over
                    self._own += 1
                    signal.pthread_kill(_main_thread(), self.number)  # a real one: it also ends a sleep
                    continue
                if number not in SIGNALS:
                    continue
                if self._own:
                    self._own -= 1
                    continue
                self.number = self.number or number
                self._count += 1
                if self._count > 1:
                    self._end(number)

    def swallowed(self, tell: socket.socket, before: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """What `sys.unraisablehook` is within: Python drops what callbacks of weak references and of the
        garbage collector raise, and `__del__`; a KeyboardInterrupt that came there is raised again."""

        def hook(lost: Any) -> None:
            if self.number and self.instead is None and issubclass(lost.exc_type, KeyboardInterrupt):
                with suppress(OSError):
                    tell.send(bytes([_LOST]))
            else:
                before(lost)

        return hook

    def _end(self, number: int) -> None:
        os.write(2, f"{self._said}: stopped at once\n".encode())
        for do in _before_the_end:
            with suppress(Exception):
                do()
        processes = sys.modules.get("multiprocessing")  # whose workers would wait for this one for ever
        for child in processes.active_children() if processes else ():
            child.kill()
        os._exit(128 + number)


_heed: Heed | None = None
_before_the_end: list[Callable[[], None]] = []


def at_once(do: Callable[[], None]) -> None:
    """Do this too when a second signal ends the process; it has no time for more than killing."""
    if do not in _before_the_end:
        _before_the_end.append(do)


def interrupted_status() -> int:
    """What a command that was stopped in order exits with: 130 after Ctrl-C, 143 after SIGTERM."""
    return (_heed or Heed("zdg")).status


@contextmanager
def heeded(said: str) -> Iterator[Heed]:
    """Within, the first SIGINT or SIGTERM is a KeyboardInterrupt in the main thread; a second ends it all.

    After it, if one came, either of them ends the process as the system does. Elsewhere than in the main
    thread nothing is changed.

    Args:
      said: what the command calls itself.
    """
    global _heed
    heed = Heed(said)
    if threading.current_thread() is not threading.main_thread() or _heed is not None:
        yield heed
        return
    told, tell = socket.socketpair()
    tell.setblocking(False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    _take(heed)
    hook = sys.unraisablehook
    sys.unraisablehook = heed.swallowed(tell, hook)
    watching = threading.Thread(target=heed.watch, args=(told,), daemon=True, name="signals")
    watching.start()
    _heed = heed
    try:
        yield heed
    finally:
        _heed = None
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL if heed.number else before[number] or signal.SIG_DFL)
        sys.unraisablehook = hook
        signal.set_wakeup_fd(wakeup)
        tell.close()
        watching.join()
        told.close()


@contextmanager
def instead(do: Callable[[], object]) -> Iterator[Heed]:
    """Within, the first signal calls `do` in the main thread; takes the handlers back from libraries.

    Args:
      do: returns quickly.
    """
    heed = _heed or Heed("zdg")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heed.instead = do
    _take(heed)
    try:
        yield heed
    finally:
        heed.instead = None
        if _heed is None:
            for number in SIGNALS:
                signal.signal(number, before[number] or signal.SIG_DFL)


def _main_thread() -> int:
    ident = threading.main_thread().ident
    assert ident is not None
    return ident


def _take(heed: Heed) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, heed.handle)
