from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipelines.progress import Steps


def test_off_a_terminal_every_step_is_one_plain_line() -> None:
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
