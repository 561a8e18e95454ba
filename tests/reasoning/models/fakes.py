"""The local server in a thread, and what points reasoners at it."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.reasoning.models.server import Server
from tests.waiting import PATIENCE_S
from zdg_jax.reasoning.models.remote import io_loop

ROOT = Path(__file__).resolve().parents[3]
KEY = "sk-zdgtest-0123456789-DO-NOT-LEAK"
APIS = ("openai-chat", "openai-responses", "gemini")
#: By which questions go out as jobs; `BY_FILE` is Gemini with nothing inside a job.
BY_FILE = "gemini-file"
WAYS = (*APIS, BY_FILE)
ENVIRONMENT = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL")


@dataclass
class Local:
    """A running server; `on_hang` is called whenever it lets a request hang."""

    port: int = 0
    stop: Callable[[], None] = lambda: None
    on_hang: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self, questions: bool = True) -> list[dict[str, Any]]:
        """What it saw: the questions, or everything."""
        log = self._get("_log")["log"]
        return [entry for entry in log if not questions or "stage" in entry]

    def accepted(self) -> list[str]:
        """Keys of the questions that came in batch jobs, each as often as it came."""
        return [entry["accepted"] for entry in self.log(questions=False) if "accepted" in entry]

    def held(self) -> int:
        """Questions that wait for `release`."""
        return sum("held" in entry for entry in self.log())

    def release(self) -> None:
        """Answer what was held, and hold nothing any more."""
        self._get("_release")

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=PATIENCE_S) as response:
            return json.load(response)

    def environment(self, key: str = KEY) -> dict[str, str]:
        urls = (f"{self.url}/v1", self.url)
        return dict(zip(ENVIRONMENT, (key, urls[0], key, urls[1]), strict=True))


@contextmanager
def running(**config: Any) -> Iterator[Local]:
    """Start a server with this configuration."""
    local, began = Local(), threading.Event()

    async def serve() -> None:
        loop, server = asyncio.get_running_loop(), Server({"key": KEY, **config}, lambda: local.on_hang())

        def stop() -> None:
            with suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(server.stopped.set)
            thread.join()

        def listens(port: int) -> None:
            local.port, local.stop = port, stop
            began.set()

        try:
            await server.serve(listens)
        finally:
            began.set()

    # A process of its own would first import all this again, for each of a hundred tests.
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    began.wait()
    assert local.port, "the server did not start"
    try:
        yield local
    finally:
        local.stop()


class TimeLimit:
    """Stands in for `asyncio.timeout`: it runs out when a test says so, not by the clock."""

    def __init__(self) -> None:
        self._timeout, self._open = asyncio.timeout, list[asyncio.Timeout]()

    @asynccontextmanager
    async def __call__(self, seconds: float | None) -> AsyncIterator[asyncio.Timeout]:
        async with self._timeout(None) as scope:
            self._open.append(scope)
            try:
                yield scope
            finally:
                self._open.remove(scope)

    def run_out(self) -> None:
        """End all that the providers' loop waits for; from any thread."""
        loop = io_loop()
        loop.call_soon_threadsafe(lambda: [scope.reschedule(loop.time()) for scope in self._open])


def point_at(local: Local, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> None:
    """Both SDKs' addresses and keys."""
    for name, value in local.environment(key).items():
        monkeypatch.setenv(name, value)


def settings_file(folder: Path, **tables: Any) -> Path:
    """A file for ZDG_PROVIDERS; quick retries and limits that no slow machine reaches, unless told."""
    limits = {
        "poll_s": 0.05,
        "doubt_s": 0.5,
        "timeout_s": 600.0,
        "connect_timeout_s": 600.0,
        "max_wait_s": 3000.0,
    }
    default = {"first_wait_s": 0.02, "longest_wait_s": 0.2, **limits, **tables.pop("settings", {})}
    path = folder / "providers.yaml"
    path.write_text(yaml.safe_dump({"settings": {"default": default}, **tables}), encoding="utf-8")
    return path
