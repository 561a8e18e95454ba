"""A disk that ends at the k-th system call: what was not yet made durable by then may be lost."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class PowerCut(BaseException):
    """Nothing that is called afterwards reaches the disk."""


class Disk:
    """Counts the calls that change the disk, and cuts the power before one of them.

    Attributes:
      calls: so far.
    """

    def __init__(self, cut: int | None) -> None:
        self.calls, self._cut = 0, cut
        self._unsynced_files: set[str] = set()
        self._unsynced_names: dict[str, set[str]] = {}  # by folder

    def step(self) -> None:
        if self._cut is not None and self.calls >= self._cut:
            raise PowerCut
        self.calls += 1

    def lose(self) -> None:
        """What a power cut may cost: bytes that were not synced, and names whose folder was not."""
        for path in self._unsynced_files:
            if os.path.exists(path):
                os.truncate(path, 0)
        for folder, names in self._unsynced_names.items():
            for name in names:
                Path(folder, name).unlink(missing_ok=True)

    def made(self, path: Any) -> None:
        folder, name = os.path.split(os.fspath(path))
        self._unsynced_names.setdefault(folder, set()).add(name)

    def synced(self, handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        self._unsynced_files.discard(path)
        self._unsynced_names.pop(path, None)


@contextmanager
def disk(monkeypatch: pytest.MonkeyPatch, cut: int | None = None) -> Iterator[Disk]:
    """Every open for writing, fsync, link, replace, unlink and mkdir is one call."""
    watched = Disk(cut)
    real = {name: getattr(os, name) for name in ("fsync", "link", "replace", "unlink", "mkdir")}
    real_open: Callable[..., Any] = io.open

    def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if any(c in mode for c in "wxa") and isinstance(file, str | os.PathLike):
            watched.step()
            watched._unsynced_files.add(os.path.realpath(file))
            watched.made(os.path.realpath(file))
        return real_open(file, mode, *more, **named)

    def fsync(handle: int) -> None:
        watched.step()
        real["fsync"](handle)
        watched.synced(handle)

    def moved(name: str) -> Callable[..., None]:
        def call(source: Any, target: Any) -> None:
            watched.step()
            unsynced = os.path.realpath(source) in watched._unsynced_files
            real[name](source, target)
            watched.made(os.path.realpath(target))
            if unsynced:
                watched._unsynced_files.add(os.path.realpath(target))

        return call

    def plain(name: str) -> Callable[..., None]:
        def call(path: Any, *more: Any, **named: Any) -> None:
            watched.step()
            real[name](path, *more, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", opened)
        patch.setattr(os, "fsync", fsync)
        for name in ("link", "replace"):
            patch.setattr(os, name, moved(name))
        for name in ("unlink", "mkdir"):
            patch.setattr(os, name, plain(name))
        yield watched


def full(monkeypatch: pytest.MonkeyPatch, part: str, number: int = errno.ENOSPC) -> None:
    """From now on a file whose path holds `part` can't be written."""
    from pipelines import dataset

    real = dataset._beside

    @contextmanager
    def beside(path: Path, data: bytes) -> Iterator[Path]:
        if part in str(path):
            raise OSError(number, os.strerror(number), str(path))
        with real(path, data) as temporary:
            yield temporary

    monkeypatch.setattr(dataset, "_beside", beside)
