"""The local server as a process, and reasoners that ask it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
KEY = "sk-zdgtest-0123456789-DO-NOT-LEAK"
APIS = ("openai-chat", "openai-responses", "gemini")
ENVIRONMENT = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL")


@dataclass
class Local:
    """A running server."""

    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self, questions: bool = True) -> list[dict[str, Any]]:
        """What it saw: the questions, or everything."""
        with urllib.request.urlopen(f"{self.url}/_log", timeout=20) as response:
            log = json.load(response)["log"]
        return [entry for entry in log if not questions or "stage" in entry]

    def environment(self, key: str = KEY) -> dict[str, str]:
        urls = (f"{self.url}/v1", self.url)
        return dict(zip(ENVIRONMENT, (key, urls[0], key, urls[1]), strict=True))


@contextmanager
def running(**config: Any) -> Iterator[Local]:
    """Start a server with this configuration."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.reasoning.providers.server", json.dumps({"key": KEY, **config})],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Local(int(process.stdout.readline()), process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def point_at(local: Local, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> None:
    """Both SDKs' addresses and keys."""
    for name, value in local.environment(key).items():
        monkeypatch.setenv(name, value)


def settings_file(folder: Path, **tables: Any) -> Path:
    """A file for ZDG_PROVIDERS; quick retries unless told otherwise."""
    quick = {"timeout_s": 5.0, "first_wait_s": 0.02, "longest_wait_s": 0.2, "max_wait_s": 20.0}
    default = {**quick, **tables.pop("settings", {})}
    path = folder / "providers.yaml"
    path.write_text(yaml.safe_dump({"settings": {"default": default}, **tables}), encoding="utf-8")
    return path
