"""One question over each real wire format: what goes out, and what every kind of reply becomes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import APIS
from tests.reasoning.models.questions import question, settled
from zdg_jax.reasoning.protocol import image_sha
from zdg_jax.status import StageFailed

pytestmark = pytest.mark.parametrize("api", APIS)


def test_a_question_arrives_whole_and_its_answer_comes_back(api: str, start: Start, make: Make) -> None:
    local = start(decode=True, answered_by="m-2026-01-01")
    asked = question()
    answer = asyncio.run(make(f"{api}:m").ask(asked))
    assert answer.value.rotation == 1
    call = answer.call
    assert (call.provider, call.model, call.attempts) == (api, "m-2026-01-01", 1)
    assert (call.input_tokens, call.output_tokens, call.cached_tokens) == (1000, 50, 100)
    assert call.cost_usd is None  # nobody knows what this server takes
    assert call.latency_s > 0
    (seen,) = local.log()
    assert (seen["api"], seen["stage"], seen["temperature"]) == (api, "rotation", 0.0)
    assert seen["max_output_tokens"] == 4096
    (image,) = seen["images"]
    assert (image["format"], image["size"], image["sha"]) == ("PNG", [16, 16], image_sha(asked.images[0]))


def test_reasoning_models_get_no_temperature(api: str, start: Start, make: Make) -> None:
    local = start(models=["o4-mini"])
    asyncio.run(make(f"{api}:o4-mini").ask(question()))
    (seen,) = local.log()
    assert seen["temperature"] is None
    assert seen["max_output_tokens"] == 16384


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        ("refusal", "provider_refused", "refusal"),
        ("filter", "provider_refused", "refusal"),
        ("truncated", "provider_truncated", "cut off"),
        ("empty", "provider_invalid", "empty"),
        ("malformed", "provider_invalid", "does not fit the schema"),
        ("wrong_schema", "provider_invalid", "rotation: Field required"),
        ("alien", "invalid_answer", "not among the candidates"),
    ],
)
def test_an_unusable_reply_is_asked_again_with_its_reason(
    api: str, start: Start, make: Make, fault: str, status: str, told: str
) -> None:
    local = start(planned=[fault, None, fault, fault, fault])
    reasoner = make(f"{api}:m")
    mended, attempts = settled(reasoner)
    assert mended.rotation == 1
    assert [attempt["refused"] is None for attempt in attempts] == [False, True]
    assert told in attempts[0]["refused"]
    # What failed was paid for all the same.
    assert [attempt["call"]["output_tokens"] for attempt in attempts] == [50, 50]
    assert [entry["fed_back"] for entry in local.log()] == [False, True]
    lasting, attempts = settled(reasoner, number=1)
    assert isinstance(lasting, StageFailed)
    assert lasting.status == status
    assert "3 attempts" in lasting.reason
    assert len(attempts) == 3
    assert len(local.log()) == 5


def test_a_code_fence_does_no_harm(api: str, start: Start, make: Make) -> None:
    start(planned=["fenced"])
    assert asyncio.run(make(f"{api}:m").ask(question())).value.rotation == 1


def test_only_usable_answers_are_kept(api: str, start: Start, make: Make) -> None:
    local = start(planned=["malformed", "alien", None])
    reasoner = make(f"{api}:m")
    first: Any = settled(reasoner)
    assert len(first[1]) == 3
    again, attempts = settled(make(f"{api}:m"))  # the mended answer settles the stage at once
    assert again == first[0]
    assert [attempt["call"]["attempts"] for attempt in attempts] == [0]
    assert len(local.log()) == 3
