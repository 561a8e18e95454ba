"""The dated table of models: sources, states, successors, prices to come, and a user's rows in front."""

from __future__ import annotations

import json
import logging
from datetime import date
from pathlib import Path

import pytest

from pipelines import cli
from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import ENVIRONMENT, settings_file
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models import catalogue
from zdg_jax.reasoning.models.budget import task_usd
from zdg_jax.reasoning.models.settings import expand, tables

TODAY, DECEMBER = date(2026, 11, 28), date(2026, 12, 1)


@pytest.fixture(autouse=True)
def _one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "today", lambda: TODAY)


def test_every_row_says_where_and_when_it_was_read_and_successors_are_in_the_table() -> None:
    table = tables().catalogue
    for row in table.models:
        assert row.source
        assert row.read >= date(2026, 11, 1)
        for price in row.prices:
            assert row.provider == "local" or 0 < price.input < price.output
        if row.replacement:
            successor = table.find(row.provider, row.replacement)
            assert successor is not None
            assert successor.state(date(2027, 1, 15)) == "current"


def test_presets_name_models_that_are_current_and_priced() -> None:
    name, routes = expand("paper")
    for reasoner in (name, *(route.partition("=")[2] for route in routes)):
        provider, _, model = reasoner.partition(":")
        row = tables().catalogue.find(provider, model)
        assert row is not None
        assert row.state(TODAY) == "current"
        assert row.price(TODAY) is not None
    assert expand("paper", ("direction=offline", "view=offline"))[1] == ("direction=offline", "view=offline")
    assert expand("openai:m", ("view=offline",)) == ("openai:m", ("view=offline",))


@pytest.mark.parametrize(
    ("provider", "model", "line"),
    [
        ("openai", "gpt-6-luna", None),
        ("openai", "gpt-99", None),
        ("openai", "o4-mini", "o4-mini ended on 2026-10-23; its successor is gpt-6.1-terra"),
        ("openai", "gpt-4.1-2025-04-14", "retires on 2027-01-14; its successor is gpt-6-luna"),
        ("gemini", "gemini-2.5-pro", "from then on gemini-3.8-flash answers instead, at its own price"),
    ],
)
def test_a_retiring_or_ended_model_is_said_in_one_line_with_its_successor(
    provider: str, model: str, line: str | None
) -> None:
    said = tables().catalogue.notice(provider, model, TODAY)
    assert said is None if line is None else line in str(said)


def test_a_price_changes_on_its_day() -> None:
    table = tables().catalogue
    prices = [table.price("gemini", "gemini-4-argon", day) for day in (TODAY, DECEMBER)]
    assert [price.output for price in prices if price is not None] == [10.0, 20.0]


@pytest.mark.parametrize(
    ("asked", "answered", "other"),
    [
        ("gpt-4.1", "gpt-4.1-2025-04-14", False),
        ("gpt-4.1", "gpt-4.1-mini-2025-04-14", True),
        ("gemini-2.5-pro", "gemini-2.5-pro-preview-06-05", False),
        ("gemini-2.5-pro", "gemini-3.8-flash", True),
        ("gemini-flash-latest", "gemini-3.8-flash", False),
        ("models/gemini-3.8-flash", "gemini-3.8-flash-001", False),
        ("qwen2.5-vl-7b", "qwen2.5-vl-72b", True),
    ],
)
def test_families(asked: str, answered: str, other: bool) -> None:
    assert tables().catalogue.substituted("gemini", asked, answered) is other


def test_a_users_row_counts_more(tmp_path: Path) -> None:
    row = {"provider": "openai", "id": "gpt-4.1", "read": "2026-11-28", "source": "me"}
    mine = {**row, "prices": [{"input": 7, "output": 9}], "output": 1000, "takes": {"temperature": 0.5}}
    settings_file(tmp_path, models=[mine])
    price = tables().catalogue.price("openai", "gpt-4.1-2025-04-14")
    assert price is not None
    assert price.input == 7
    assert tables().catalogue.notice("openai", "gpt-4.1") is None
    able = tables().abilities_of("gpt-4.1")
    assert (able.temperature, able.max_output_tokens) == (0.5, 1000)


def test_the_check_says_that_a_model_retires_and_of_a_dead_one_who_succeeds_it(
    start: Start, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {
            "provider": "compatible",
            "id": name,
            "ends": ends,
            "replacement": "n",
            "read": TODAY,
            "source": "a test",
        }
        for name, ends in (("old", date(2027, 1, 1)), ("dead", date(2026, 1, 1)))
    ]
    settings_file(tmp_path, models=rows)
    start(models=["old"])
    make("openai-chat:old", check=True)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told == ["openai-chat:old: old retires on 2027-01-01; its successor is n"]
    with pytest.raises(UserError, match="ended on 2026-01-01") as caught:
        make("openai-chat:dead", check=True)
    assert caught.value.do == "ask n"


def test_zdg_models_prints_states_prices_and_the_cost_of_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "gemini", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["gemini-2.5-pro"]["state"] == "retiring"
    argon = rows["gemini-4-argon"]
    assert argon["task_usd"] == pytest.approx(6.7 * (2900 * 2 + 150 * 10) / 1e6)
    assert argon["prices_to_come"][0]["since"] == "2026-12-01"
    assert cli.main(["models", "--output-tokens", "1500"]) == 0
    said = capsys.readouterr().out
    assert "retires 2026-12-01  gemini-3.8-flash (by itself)" in said
    assert "--reasoner paper: openai:" in said
    assert cli.main(["models", "nobody"]) == 2
    assert "openai, gemini, local, compatible" in capsys.readouterr().err
    assert task_usd(None, 1, 1, 1) is None


def test_the_preset_without_a_key_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (*ENVIRONMENT, "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert (
        cli.main(["synth", "ycb:025_mug", "drink", "--reasoner", "paper", "--out", str(tmp_path / "o")]) == 2
    )
    assert "OPENAI_API_KEY" in capsys.readouterr().err
