"""What a person sees of a run: a table on a terminal, lines elsewhere; and the log behind it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.drivers.files import Folder
from pipelines.drivers.journal import Journal, main, read_log
from pipelines.drivers.show import Meter, Show
from tests.pipelines.cluster.made import finished, spec
from zdg_jax.errors import UserError


def half_done() -> Meter:
    meter = Meter(tasks=10, objects=2, done_before=5, num=64)
    for stage, units in (("prepare", 2), ("reason", 6), ("refine", 4), ("simulate", 3)):
        meter.begin(stage, units + 1)
        meter.end(stage, units, 1.5)
    meter.wrote([finished(spec(0)), finished(spec(1))])
    meter.gateway = {"in_flight": 61, "waiting": 70, "sent": 44, "answered": 40, "usd": 1.25}
    return meter


def test_plain_lines_off_a_terminal() -> None:
    out = io.StringIO()
    show = Show(half_done(), Console(file=out))
    with show.running():
        show.update()
        show.update()  # too soon for another
    show.update(last=True)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    for said in (
        "7/15 tasks written",
        "reason 6",
        "61 calls in flight, 44 sent",
        "$1.2500",
        "grasps/s",
        "ETA 0:00:0",
    ):
        assert said in lines[0]
    assert "\x1b" not in out.getvalue()


def test_a_table_on_a_terminal() -> None:
    out = io.StringIO()
    show = Show(half_done(), Console(file=out, force_terminal=True, width=100))
    with show.running():
        show.update()
        show.say("note: something")
    text = out.getvalue()
    for said in ("stage", "in it", "ETA", "simulate", "61 calls in flight", "$1.2500", "note: something"):
        assert said in text


def test_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("pipelines.drivers.show.now", lambda: now[0])
    meter = Meter(tasks=10, objects=1, done_before=0, num=64)
    assert meter.eta("reason") is None
    meter.begin("reason")
    now[0] += 8.0
    meter.end("reason", 4, 1.0)
    assert meter.rate("reason") == 0.5
    assert meter.eta("reason") == 12.0
    meter.wrote([finished(spec(i)) for i in range(10)])
    assert meter.eta("refine") is None or meter.eta("refine") == 0.0
    assert meter.statuses["ok"] == 10
    assert meter.grasps["kept"] == 20


@pytest.mark.parametrize("uri", ["local", "memory://zdg-log/out"])
def test_the_log_goes_on_where_it_was(uri: str, tmp_path: Path) -> None:
    where = str(tmp_path) if uri == "local" else uri
    for number in range(2):
        journal = Journal(Folder(where))
        journal.span("reason", [f"t{number}"], 1.0, 2.0, 77, process_s=3.5)
        journal.close()
    records = read_log(Folder(where))
    assert [r["tasks"] for r in records] == [["t0"], ["t1"]]
    assert records[0]["event"] == "span"
    assert records[0]["process_s"] == 3.5


HALF, NONE = (
    b'{"at": 3, "ev',
    b'\xff\xfe\n[1]\n3\n{"event": "span"}\n{"at": 1, "event": "span", "stage": 3}\n',
)
DEEP, ODD = (
    b"[" * 100_000 + b"\n",
    b'{"at": NaN, "event": "start"}\n{"at": 2, "event": "start", "num": "x"}\n',
)


def test_a_damaged_log_is_read_as_far_as_it_is_one(tmp_path: Path) -> None:
    for damage in (HALF, NONE + DEEP + ODD):
        journal = Journal(Folder(str(tmp_path)))
        journal.write("start", num=4)
        journal.close()
        with (tmp_path / "log.jsonl").open("ab") as file:
            file.write(damage)
    journal = Journal(Folder(str(tmp_path)))
    journal.span("reason", ["t"], 1.0, 2.0, 77)
    journal.close()
    records = read_log(Folder(str(tmp_path)))
    assert [record["event"] for record in records] == [
        "start",
        "start",
        "span",
    ]  # none is lost to a half line
    assert main([str(tmp_path)]) == 0


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_log(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "log.jsonl")
    with pytest.raises(UserError, match=r"log\.jsonl"):
        Journal(Folder(str(tmp_path)))


def test_the_timeline_of_the_last_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log: list[dict[str, Any]] = [
        {"at": 0.0, "event": "start"},
        {"at": 50.0, "event": "span", "stage": "reason", "tasks": ["old"], "begin": 1.0, "end": 50.0},
        {"at": 100.0, "event": "start"},
        {"at": 103.0, "event": "tick", "calls_in_flight": 6},
        {"at": 104.0, "event": "tick", "calls_in_flight": 2},
        {"at": 105.0, "event": "span", "stage": "reason", "tasks": ["a"], "begin": 100.0, "end": 105.0},
        {"at": 110.0, "event": "span", "stage": "refine", "tasks": ["a", "b"], "begin": 104.0, "end": 106.0},
        {"at": 110.0, "event": "end"},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in log))
    assert main([str(tmp_path), "--rows", "2"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows == [
        "| 5 | 4.0 / 6 | 0 / 0 % | 1 / 100 % | 0 / 20 % | 0 / 0 % |",
        "| 10 | 0.0 / 0 | 0 / 0 % | 1 / 0 % | 2 / 20 % | 0 / 0 % |",
    ]
    assert main([str(tmp_path / "nothing")]) == 2
