"""A refused parameter is changed, once, and the run goes on; thought that eats the limit raises it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import APIS, Local, settings_file
from tests.reasoning.models.questions import question
from zdg_jax.reasoning.protocol import Call, Reasoner, ReasonerError

PRICE = {
    "provider": "compatible",
    "id": "m",
    "prices": [{"input": 1.0, "cached": 1.0, "output": 1.0}],
    "read": "2026-11-28",
    "source": "a test",
}


def ask(reasoner: Reasoner, *numbers: int) -> list[Call]:
    async def all_of_them() -> list[Call]:
        return [(await reasoner.ask(question(number))).call for number in numbers]

    return asyncio.run(all_of_them())


def refused(local: Local) -> int:
    return sum(entry["fault"] == "refused" for entry in local.log())


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "refuses", [["temperature"], ["json_schema"], [1024], ["temperature", "json_schema", 64]]
)
def test_what_a_400_names_is_changed_and_nothing_else_and_only_once(
    api: str, refuses: list[Any], start: Start, make: Make
) -> None:
    local = start(refuses=refuses)
    calls = ask(make(f"{api}:m"), 0, 1, 2)
    assert [call.attempts for call in calls] == [1 + len(refuses), 1, 1]
    assert refused(local) == len(refuses)
    good = [entry for entry in local.log() if entry["fault"] is None]
    assert {entry["temperature"] for entry in good} == {None if "temperature" in refuses else 0.0}
    limit = next((what for what in refuses if isinstance(what, int)), 4096)
    assert {entry["max_output_tokens"] for entry in good} == {limit}


def test_the_other_name_of_the_limit_is_tried(start: Start, make: Make) -> None:
    local = start(refuses=["temperature", "max_tokens"])
    (call,) = ask(make("openai-chat:m"), 0)
    assert call.attempts == 3
    assert [entry.get("sent") for entry in local.log()][1] == [
        "max_tokens",
        "messages",
        "model",
        "response_format",
    ]


def test_words_are_understood_where_no_parameter_is_named(start: Start, make: Make) -> None:
    start(refuses=[100], mute=True)
    assert ask(make("openai-chat:m"), 0)[0].attempts == 2


def test_many_at_once_meet_the_same_refusal_and_agree(start: Start, make: Make) -> None:
    local = start(refuses=["temperature", 512], latency=0.01)

    async def together(reasoner: Reasoner) -> None:
        await asyncio.gather(*(reasoner.ask(question(number)) for number in range(8)))

    asyncio.run(together(make("openai-chat:m")))
    assert len(local.log()) - refused(local) == 8
    assert refused(local) <= 16


def test_a_refusal_of_something_else_ends_at_once(start: Start, make: Make) -> None:
    local = start(refuses=[0])  # no limit will do
    with pytest.raises(ReasonerError) as caught:
        ask(make("openai-chat:m"), 0)
    assert caught.value.status == "provider_rejected"
    assert len(local.log()) == 1


@pytest.mark.parametrize("api", APIS)
def test_thought_that_eats_the_limit_raises_it_once(
    api: str, start: Start, make: Make, tmp_path: Path
) -> None:
    settings_file(tmp_path, models=[PRICE])
    local = start(thinks=5000)
    calls = ask(make(f"{api}:m", max_usd=1.0), 0, 1)
    assert [call.attempts for call in calls] == [2, 1]
    assert [entry["max_output_tokens"] for entry in local.log()] == [4096, 16384, 16384]
    assert calls[0].output_tokens == 4096 + 50  # what was thought in vain is booked
    assert calls[0].cost_usd == pytest.approx((2 * 1000 + 4096 + 50) / 1e6)


@pytest.mark.parametrize("api", APIS)
def test_thought_that_eats_the_raised_limit_too_has_a_status_and_is_booked(
    api: str, start: Start, make: Make, tmp_path: Path
) -> None:
    settings_file(tmp_path, models=[PRICE])
    local = start(thinks=10**6)
    with pytest.raises(ReasonerError) as caught:
        ask(make(f"{api}:m"), 0)
    assert caught.value.status == "provider_truncated"
    assert caught.value.call is not None
    assert caught.value.call.output_tokens == 4096 + 16384
    assert caught.value.call.cost_usd == pytest.approx((2 * 1000 + 4096 + 16384) / 1e6)
    assert len(local.log()) == 2


def test_a_raised_limit_above_the_models_is_lowered_to_the_one_it_names(start: Start, make: Make) -> None:
    local = start(thinks=5000, refuses=[8192])
    (call,) = ask(make("openai-chat:m"), 0)
    assert call.attempts == 3
    assert local.log()[-1]["max_output_tokens"] == 8192


@pytest.mark.parametrize(
    ("model", "temperature"),
    [
        ("gemini-3.1-pro-preview", 1.0),
        ("gemini-3.5-flash", 1.0),
        ("gemini-3.8-flash", None),
        ("gemini-2.5-flash-lite", 0.0),
    ],
)
def test_gemini_3_gets_the_temperature_that_its_guide_asks_for(
    model: str, temperature: float | None, start: Start, make: Make
) -> None:
    local = start(models=[model])
    ask(make(f"gemini:{model}"), 0)
    assert local.log()[0]["temperature"] == temperature
