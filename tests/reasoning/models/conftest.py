"""Each test gets a cache, settings and an environment of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.caches import share_cache
from tests.reasoning.models.fakes import BY_FILE, KEY, Local, TimeLimit, point_at, running, settings_file
from zdg_jax.reasoning.models import factory, faults, settings
from zdg_jax.reasoning.models.batch_gemini_jobs import GeminiJobs
from zdg_jax.reasoning.models.remote import RemoteReasoner
from zdg_jax.reasoning.protocol import Reasoner

Start = Callable[..., Local]
Make = Callable[..., Reasoner]
Waits = Callable[[], list[float]]

_read = settings._yaml
_built_in = cache(_read)


@pytest.fixture(autouse=True)
def _own_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    share_cache(tmp_path / "cache")
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ZDG_PROVIDERS", str(settings_file(tmp_path)))
    # every test has a file of its own, and what it adds to would be parsed again each time
    ours = settings.HERE
    monkeypatch.setattr(settings, "_yaml", lambda f: (_built_in if f.is_relative_to(ours) else _read)(f))
    with caplog.at_level(logging.DEBUG):
        yield
    assert KEY not in caplog.text  # whatever a test does, the key stays out of the log


@pytest.fixture
def little_log(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of requests at DEBUG would cost more than the requests."""
    caplog.set_level(logging.WARNING)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a local server and point both SDKs at it."""
    with ExitStack() as stack:

        def begin(**config: Any) -> Local:
            local = stack.enter_context(running(**config))
            point_at(local, monkeypatch)
            return local

        yield begin


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> TimeLimit:
    """In place of every time limit on a request."""
    limit = TimeLimit()
    monkeypatch.setattr(asyncio, "timeout", limit)
    return limit


@pytest.fixture
def waits(caplog: pytest.LogCaptureFixture) -> Waits:
    """Seconds of each wait between two tries so far."""
    return lambda: [record.args[2] for record in caplog.records if record.name == faults.__name__]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """`factory.make`, and its connections closed at the end; names may begin with one of `WAYS`."""
    made: list[RemoteReasoner] = []

    def build(name: str, *args: Any, **kwargs: Any) -> Reasoner:
        if name.startswith(BY_FILE):
            monkeypatch.setattr(GeminiJobs, "most_inside", 0)
        reasoner = factory.make(name.replace(BY_FILE, "gemini"), *args, **kwargs)
        parts = [getattr(reasoner, "main", reasoner), *getattr(reasoner, "routes", {}).values()]
        made.extend(part for part in parts if isinstance(part, RemoteReasoner))
        return reasoner

    yield build
    for reasoner in made:
        reasoner.close()
