"""Prices, unknown prices, and the limit on money."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import settings_file
from tests.reasoning.models.questions import question, settled
from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.budget import Budget, cost_usd
from zdg_jax.reasoning.models.catalogue import Price
from zdg_jax.reasoning.models.exchange import Usage
from zdg_jax.reasoning.models.settings import tables
from zdg_jax.reasoning.protocol import ReasonerError
from zdg_jax.status import StageFailed

PRICE = {
    "provider": "compatible",
    "id": "m",
    "prices": [{"input": 2.0, "cached": 0.5, "output": 8.0}],
    "read": "2026-01-01",
    "source": "a test",
}
PAID = (900 * 2.0 + 100 * 0.5 + 50 * 8.0) / 1e6


def test_another_address_has_other_prices() -> None:
    table = tables().catalogue
    assert table.price("openai", "gpt-4.1") is not None
    assert table.price("compatible", "gpt-4.1") is None
    assert table.price("openai", "gpt-99") is None


def test_unknown_is_null_never_zero() -> None:
    price = Price.model_validate({"input": 1, "output": 2})
    assert cost_usd(None, Usage(1, 1, 0)) is None
    assert cost_usd(price, Usage(None, 1, 0)) is None
    assert cost_usd(price, Usage(1, None, 0)) is None
    assert cost_usd(price, Usage(10, 1, 5)) is None  # the price of cached tokens is unknown
    assert cost_usd(price, Usage(1_000_000, 500_000, None)) == 2.0


def test_calls_are_priced_failed_ones_too(start: Start, make: Make, tmp_path: Path) -> None:
    settings_file(tmp_path, models=[PRICE])
    start(planned=["malformed", None], answered_by="m-2026-01-01")
    _, attempts = settled(make("openai-chat:m"))
    assert [attempt["call"]["cost_usd"] for attempt in attempts] == pytest.approx([PAID, PAID])
    assert [attempt["call"]["model"] for attempt in attempts] == ["m-2026-01-01"] * 2


def test_the_limit_is_never_passed_and_the_same_command_goes_on(
    start: Start, make: Make, tmp_path: Path
) -> None:
    abilities = [{"models": ["m"], "max_output_tokens": 100, "max_tokens_name": "max_tokens"}]
    settings_file(tmp_path, models=[PRICE], abilities=abilities)
    local = start()

    async def run(limit: float) -> list[str]:
        reasoner = make("openai-chat:m", max_usd=limit)
        said = await asyncio.gather(*(reasoner.ask(question(n)) for n in range(8)), return_exceptions=True)
        return [answer.status if isinstance(answer, ReasonerError) else "ok" for answer in said]

    limit, spent, runs = 0.012, 0, 0
    while "budget_exhausted" in (statuses := asyncio.run(run(limit))):
        assert set(statuses) <= {"ok", "budget_exhausted"}
        new = len(local.log()) - spent
        assert 0 < new * PAID <= limit
        spent, runs = spent + new, runs + 1
        assert runs < 8
    assert runs >= 1
    assert len(local.log()) == 8  # over all runs, each question was paid once


def test_the_status_says_how_to_go_on(start: Start, make: Make, tmp_path: Path) -> None:
    settings_file(tmp_path, models=[PRICE])
    local = start()
    failure, attempts = settled(make("openai-chat:m", max_usd=0.001))
    assert isinstance(failure, StageFailed)
    assert failure.status == "budget_exhausted"
    assert "same command" in failure.reason
    assert len(attempts) == 1
    assert local.log() == []


def test_a_limit_without_a_price_is_refused(start: Start, make: Make) -> None:
    start()
    with pytest.raises(UserError, match="price is unknown"):
        make("openai-chat:m", max_usd=1.0)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_strange_limit_is_refused(limit: float) -> None:
    with pytest.raises(UserError, match="--max-usd"):
        Budget(limit)


@pytest.mark.parametrize(
    "text",
    [
        "models: [{provider: openai}]",
        "prices: []",
        "settings: {default: {concurrency: 0}}",
        "nonsense: 1",
        "- a",
        "{",
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    monkeypatch.setenv("ZDG_PROVIDERS", str(path))
    with pytest.raises(UserError, match="ZDG_PROVIDERS") as caught:
        tables()
    assert len(str(caught.value).splitlines()) == 1
    monkeypatch.setenv("ZDG_PROVIDERS", str(tmp_path / "none.yaml"))
    with pytest.raises(UserError, match="No such file"):
        tables()
