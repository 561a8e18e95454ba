"""Predictions from rates: the defaults', and those that a run left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines import plan
from pipelines.drivers.files import Folder
from pipelines.plan import DEFAULTS, measured
from pipelines.stages.write import Output
from tests.pipelines.cluster.made import finished, options, spec
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand


def table(folder: Path, count: int) -> str:
    lines = [f"t{i},ycb:025_mug,task {i}" for i in range(count)]
    path = folder / "tasks.csv"
    path.write_text("\n".join(["task_id,object,task", *lines]) + "\n")
    return str(path)


def predicted(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert plan.main([*args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def run_of(folder: Path, select: str = "gravity") -> str:
    """Two tasks as a run would have left them: 10 processor seconds of reasoning each, and so on."""
    output = Output(Folder(str(folder)), options(str(folder)), load_hand("human16"))
    output.begin([spec(0), spec(1)])
    output.write([finished(spec(0)), finished(spec(1))])
    log = [{"at": 0, "event": "start", "num": 4, "steps": 300, "select": select}]
    log[0]["resources"] = {"CPU": 2.0}
    for stage, each in (("prepare", 3.0), ("reason", 10.0), ("refine", 2.0), ("simulate", 1.0)):
        for i in range(3):
            times = {"begin": i, "end": i + 1, "process_s": 5.0 + each * i, "pid": 7}
            log.append({"at": i, "event": "span", "stage": stage, "tasks": [f"t{i}"], **times})
    text = "".join(json.dumps(record) + "\n" for record in log)
    (folder / "log.jsonl").write_text(text + '{"at": 9, "event": "sp')
    return str(folder)


def test_rates_of_a_run(tmp_path: Path) -> None:
    rates = measured(run_of(tmp_path))
    assert (rates.prepare_s, rates.reason_s) == (3.0, 10.0)
    assert rates.simulate_s == 0.25  # four grasps a task
    assert rates.cpu_grasps == 1.0  # four grasps in two seconds at half the steps
    assert rates.gpu_grasps == DEFAULTS.gpu_grasps
    assert (rates.calls, rates.input_tokens, rates.output_tokens) == (1.0, 1000.0, 50.0)
    assert 0 < rates.grasp_bytes < 20_000
    assert rates.mesh_bytes == DEFAULTS.mesh_bytes


def test_rates_of_a_damaged_run(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    (tmp_path / "tasks" / "notes.parquet").write_bytes(b"theirs")
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(log.read_text().splitlines()[1:]))  # without its start
    assert measured(run).reason_s == 10.0
    assert measured(run).cpu_grasps == DEFAULTS.cpu_grasps
    (tmp_path / "tasks" / "part-00000.parquet").write_bytes(b"PAR1PAR1")
    with pytest.raises(UserError, match=r"part-00000\.parquet, unreadable"):
        measured(run)


def test_a_plan_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = run_of(tmp_path / "run") if (tmp_path / "run").mkdir() is None else ""
    args = (
        "--tasks",
        table(tmp_path, 100),
        "--rates",
        rates,
        "--num",
        "8",
        "--keep",
        "2",
        "--gpus",
        "0",
        "--select",
        "gravity",
    )
    report = predicted(capsys, *args, "--cpus", "4", "--reasoner", "openai:gpt-4.1")
    assert (report["tasks"], report["objects"], report["grasps"]) == (100, 1, 800)
    assert report["simulated"] == 600
    assert (report["calls"], report["input_tokens"]) == (100, 100_000)
    # gpt-4.1: 2 and 8 USD a million tokens
    assert report["cost_usd"] == pytest.approx(100 * (1000 * 2 + 50 * 8) / 1e6)
    half = predicted(capsys, *args, "--reasoner", "openai:gpt-4.1", "--batch-api")
    assert half["cost_usd"] == pytest.approx(report["cost_usd"] / 2)
    hours = {"prepare": 3, "reason": 1000, "refine": 800, "simulate": 150}
    assert report["cpu_hours"] == pytest.approx({name: s / 3600 for name, s in hours.items()})
    assert report["hours"] == pytest.approx(sum(hours.values()) / 4 / 3600)
    left = predicted(capsys, *args, "--out", rates)
    assert (left["tasks"], left["finished_before"]) == (98, 2)
    assert left["calls"] == 0  # offline
    assert left["cost_usd"] == 0.0


def test_closing_the_hand_counts_every_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    rates = run_of(tmp_path / "run", "hold")
    assert measured(rates).close_s == 0.25  # four grasps a task
    assert measured(rates).simulate_s == DEFAULTS.simulate_s
    args = ("--tasks", table(tmp_path, 100), "--rates", rates, "--num", "8", "--keep", "2")
    report = predicted(capsys, *args, "--select", "hold")
    assert report["simulated"] == 800
    assert report["cpu_hours"]["simulate"] == pytest.approx(800 * 0.25 / 3600)
    assert plan.main([*args, "--select", "drop"]) == 2
    assert "hold, gravity" in capsys.readouterr().err


def test_a_price_that_nobody_knows_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("--tasks", table(tmp_path, 3), "--reasoner", "openai:no-such-model")
    assert predicted(capsys, *args)["cost_usd"] is None
    assert plan.main([*args]) == 0
    assert "unknown" in capsys.readouterr().out
    assert predicted(capsys, *args, "--batch-api")["cost_usd"] is None


def test_rates_of_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="earlier run"):
        measured(str(tmp_path))
    assert plan.main(["--tasks", table(tmp_path, 3), "--rates", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_small_table_takes_minutes_and_not_0_00_hours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan.main(["--tasks", table(tmp_path, 3), "--num", "16"]) == 0
    told = {line[:12].strip(): line[13:] for line in capsys.readouterr().out.splitlines()}
    assert "0.00" not in told["duration"]
    assert told["duration"].split()[1] in ("s,", "min,")
    assert "to start" in told["besides"]  # what a small table mostly costs


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0.0, "0 s"),
        (59 / 3600, "59 s"),
        (1 / 60, "1.0 min"),
        (0.5, "30.0 min"),
        (1.0, "1.0 h"),
        (2500.0, "2,500.0 h"),
    ],
)
def test_hours_for_people(hours: float, said: str) -> None:
    assert plan._span(hours) == said
