"""`zdg synth` against a local server, through the very command; the key is nowhere in what it leaves."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import cli
from tests.pipelines.test_synth import fakes
from tests.reasoning.models.conftest import Start
from tests.reasoning.models.fakes import KEY, settings_file

__all__ = ["fakes"]  # a fixture
PRICE = {
    "provider": "compatible",
    "id": "*",
    "prices": [{"input": 2.0, "cached": 0.5, "output": 8.0}],
    "read": "2026-01-01",
    "source": "a test",
}
QUICK = ("--num", "4", "--keep", "1")


def synth(out: Path, *options: str) -> int:
    return cli.main(["synth", "ycb:048_hammer", "hammer a nail", "--out", str(out), *QUICK, *options])


def everything_written(*folders: Path) -> dict[str, str]:
    """Every file's text; parquet unpacked, because it is compressed."""
    found = {}
    for path in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        found[str(path)] = path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found[str(path)] += str(table.to_pylist()) + str(table.schema.metadata)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
def test_a_run_leaves_the_key_nowhere_and_says_what_it_paid(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings_file(tmp_path, models=[PRICE])
    # The server's errors repeat the key.
    local = start(planned=["500", "malformed", "refusal", *[None] * 40], models=["m", "n"], retry_after=0.1)
    out, began = tmp_path / "out", time.time()
    options = ("--reasoner", "openai:m", "--route", "direction=gemini:n", "--max-usd", "5")
    options = (*options, "--select", "gravity")
    assert synth(out, *options) in (0, 1, 4)
    row = pq.read_table(out / "grasps.parquet").to_pylist()[0]
    assert row["reasoner"] == "openai:m"
    assert set(row["answered_by"]) == {"m", "n"}
    assert all(call["asked"] is None for call in row["calls"])
    answered = [entry for entry in local.log() if "answered" in entry]
    assert len(row["calls"]) == len(answered)
    assert {call["provider"] for call in row["calls"]} == {"openai-chat", "gemini"}
    assert all(call["cost_usd"] > 0 for call in row["calls"])
    trace = json.loads((out / "trace.json").read_text())
    assert [attempt["refused"] is None for attempt in trace["stages"][0]["attempts"]] == [False, False, True]

    asked = len(local.log())
    assert synth(out, *options) in (0, 1, 4)
    assert len(local.log()) == asked  # all from the cache
    assert cli.main(["cache", "stats"]) == 0
    said = capfd.readouterr()
    assert "openai-chat:m" in said.out
    assert cli.main(["cache", "clear"]) == 0
    assert cli.main(["cache", "stats"]) == 0
    said_then = capfd.readouterr()
    assert "0 answers" in said_then.out
    cache = Path(os.environ["ZDG_CACHE_DIR"])
    files = everything_written(out, cache)
    # `rglob` does not follow the links to what tests share; another worker's unfinished records come and go
    shared = [path for kind in cache.iterdir() if kind.is_symlink() for path in kind.glob("*.npz")]
    fresh = [path for path in shared if path.stat().st_mtime > began - 1]
    files |= {str(path): path.read_bytes().decode("latin-1") for path in fresh}
    assert len(files) > 10
    assert [name for name, text in files.items() if KEY in text] == []
    assert KEY not in said.out + said.err + said_then.out + said_then.err


@pytest.mark.slow
def test_the_limit_on_money_stops_cleanly_and_the_same_command_goes_on(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    abilities = [{"models": ["*"], "max_output_tokens": 100, "max_tokens_name": "max_tokens"}]
    settings_file(tmp_path, models=[PRICE], abilities=abilities)
    local = start()
    codes, asked = [], []
    while len(codes) < 8 and 3 in (codes or [3])[-1:]:
        codes.append(synth(tmp_path / "out", "--reasoner", "openai:m", "--max-usd", "0.016"))
        asked.append(len(local.log()))
    out = capfd.readouterr().out
    assert codes[0] == 3
    assert codes[-1] in (0, 1, 4)
    assert "budget_exhausted" in out
    assert "same command" in out
    assert asked == sorted(set(asked))  # each run got further
    digests = [entry["digest"] for entry in local.log()]
    assert len(set(digests)) == len(digests)  # and none paid again what was paid


@pytest.mark.parametrize("action", ["stats", "clear"])
def test_an_empty_cache(action: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", action]) == 0
    assert "0 answers" in capfd.readouterr().out


def test_an_unknown_action(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "polish"]) == 2
    assert "stats, clear" in capfd.readouterr().err


@pytest.mark.parametrize("reasoner", ["openai:m", "openai-responses:m", "gemini:m"])
@pytest.mark.parametrize(("mishap", "said"), [("key", "refused the key"), ("model", "unknown at")])
def test_mishaps_are_one_line_before_any_work(
    reasoner: str,
    mishap: str,
    said: str,
    start: Start,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start(models=["other"])
    if mishap == "key":
        for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
            monkeypatch.setenv(name, "sk-wrong-key-99999")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("work was started")

    monkeypatch.setattr("zdg_jax.objects.load_object", never)
    assert synth(tmp_path / "out", "--reasoner", reasoner) == 2
    err = capfd.readouterr().err
    lines = [line for line in err.splitlines() if not line.startswith("[")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "99999" not in err
