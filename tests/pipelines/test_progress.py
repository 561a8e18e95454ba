from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path

import pytest
from rich.console import Console

from pipelines import progress
from pipelines.progress import Steps


def test_off_a_terminal_every_step_is_one_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BEAT_S", 3600.0)  # however slow the machine
    text = io.StringIO()
    with Steps(2, Console(file=text)).running() as steps:
        with steps.step("load [x]"):
            pass
        steps.say("note: hole")
        with steps.step("refine"):
            pass
    lines = text.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["[1/2] load [x]", "note", "[2/2] refine"]
    assert set(steps.seconds) == {"load [x]", "refine"}


def test_off_a_terminal_a_long_step_says_that_it_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BEAT_S", 0.01)
    said = threading.Event()

    class Heard(io.StringIO):
        def write(self, text: str) -> int:
            if "[1/1] refine ... " in text:
                said.set()
            return super().write(text)

    with Steps(1, Console(file=Heard())).running() as steps, steps.step("refine"):
        assert said.wait(60)


def test_on_a_terminal_there_is_a_bar() -> None:
    text = io.StringIO()
    with Steps(1, Console(file=text, force_terminal=True, width=80)).running() as steps, steps.step("refine"):
        pass
    assert "refine" in text.getvalue()
    assert "━" in text.getvalue()


def test_a_step_that_fails_is_not_counted() -> None:
    with Steps(1, Console(file=io.StringIO())).running() as steps:
        with pytest.raises(ValueError, match="no"), steps.step("refine"):
            raise ValueError("no")
        assert steps.done == 0


def test_what_is_left_is_told_from_the_last_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path))
    (tmp_path / "progress").mkdir()
    (tmp_path / "progress" / "steps.json").write_text('{"refine": 3600.0, "broken": 1}')
    text = io.StringIO()
    with (
        Steps(1, Console(file=text, force_terminal=True, width=120)).running() as steps,
        steps.step("refine"),
    ):
        pass
    assert re.search(r"about 3[56]\d\d s left", text.getvalue())
    assert json.loads((tmp_path / "progress" / "steps.json").read_text())["refine"] < 3600
    (tmp_path / "progress" / "steps.json").write_text("no json")
    with (
        Steps(1, Console(file=text, force_terminal=True, width=120)).running() as steps,
        steps.step("refine"),
    ):
        pass
