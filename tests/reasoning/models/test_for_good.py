"""Faults that will never fit are not tried again, and a model that dies stops the run."""

from __future__ import annotations

import asyncio

import pytest

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import APIS
from tests.reasoning.models.questions import question
from zdg_jax.reasoning.protocol import Reasoner, ReasonerError
from zdg_jax.status import STOPPING


def statuses(reasoner: Reasoner, *numbers: int) -> list[str]:
    async def each(number: int) -> str:
        try:
            await reasoner.ask(question(number))
        except ReasonerError as error:
            return error.status
        return "ok"

    async def all_of_them() -> list[str]:
        return [await each(number) for number in numbers]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("too_large", "provider_too_large"),
        ("pictures", "provider_too_large"),
        ("payload", "provider_too_large"),
        ("no_quota", "provider_no_quota"),
    ],
)
def test_what_will_never_fit_is_asked_once(
    api: str, fault: str, status: str, start: Start, make: Make
) -> None:
    local = start(faults={fault: 1.0})
    assert statuses(make(f"{api}:m"), 0) == [status]
    assert len(local.log()) == 1


def test_an_ordinary_429_is_still_tried_again(start: Start, make: Make) -> None:
    local = start(planned=["429", "429", None], retry_after=0.02)
    assert statuses(make("openai-chat:m"), 0) == ["ok"]
    assert len(local.log()) == 3


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("fault", ["404", "no_quota"])
@pytest.mark.slow
def test_a_model_that_dies_in_the_middle_stops_the_run_and_the_same_command_goes_on(
    api: str, fault: str, start: Start, make: Make
) -> None:
    local = start(planned=[None, None, *[fault] * 3, *[None] * 20])
    assert "provider_gone" in STOPPING
    assert statuses(make(f"{api}:m"), *range(6)) == ["ok", "ok", *["provider_gone"] * 4]
    assert len(local.log()) == 3  # what comes after the first fault is not even sent
    # Still away: the next run finds out with one request, and does not fail a task for it.
    assert statuses(make(f"{api}:m"), *range(6)) == ["ok", "ok", *["provider_gone"] * 4]
    assert len(local.log()) == 4
    assert statuses(make(f"{api}:m"), *range(6)) == ["ok", "ok", *["provider_gone"] * 4]
    assert statuses(make(f"{api}:m"), *range(6)) == ["ok"] * 6  # it is back
    assert len(local.log()) == 9


def test_a_model_that_never_was_there_is_unknown(start: Start, make: Make) -> None:
    start(faults={"404": 1.0})
    assert statuses(make("gemini:m"), 0) == ["provider_unknown_model"]
