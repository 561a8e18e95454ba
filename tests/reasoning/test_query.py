"""The loop that asks again, and what it writes down."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from prompts.schemas import RotationAnswer
from tests.reasoning.things import Scripted
from zdg_jax.reasoning.protocol import Observations, Question, ReasonerError
from zdg_jax.reasoning.query import Query, ask_until_valid, outside
from zdg_jax.status import StageFailed, Status

QUESTION = Question(
    "rotation", "Which?", (), ("1", "2"), RotationAnswer, Observations(task="t", object_name=None)
)


def query(odd_only: bool = False) -> Query[RotationAnswer]:
    return Query(
        QUESTION,
        lambda answer: outside([str(answer.rotation)], QUESTION.candidates, "rotation"),
        ("a.png",),
        verify=(lambda answer: None if answer.rotation % 2 else "Even ones collide.") if odd_only else None,
        failed_as=Status.POINTS_UNVERIFIED,
    )


def ask(asked: Query[RotationAnswer], reasoner: Scripted, most: int = 3) -> tuple[Any, list[dict[str, Any]]]:
    trace: list[dict[str, Any]] = []
    try:
        return asyncio.run(ask_until_valid(asked, reasoner, most, trace)), trace
    except StageFailed as failure:
        return failure, trace


def test_first_good_answer_wins() -> None:
    reasoner = Scripted(rotation=[{"rotation": 2}])
    answer, trace = ask(query(), reasoner)
    assert answer.rotation == 2
    assert trace[0]["answer"]["rotation"] == 2
    assert [attempt["refused"] for attempt in trace[0]["attempts"]] == [None]
    assert trace[0]["images"] == ["a.png"]
    json.dumps(trace)


def test_refusals_go_back_in_order() -> None:
    reasoner = Scripted(rotation=[{"rotation": 9}, {"rotation": 2}, {"rotation": 1}])
    answer, trace = ask(query(odd_only=True), reasoner)
    assert answer.rotation == 1
    assert [len(question.feedback) for question in reasoner.asked] == [0, 1, 2]
    assert "'9' is not among the candidates" in reasoner.asked[2].feedback[0]
    assert reasoner.asked[2].feedback[1] == "Even ones collide."
    assert [attempt["answer"]["rotation"] for attempt in trace[0]["attempts"]] == [9, 2, 1]


@pytest.mark.parametrize(("says", "status"), [(9, Status.INVALID_ANSWER), (2, Status.POINTS_UNVERIFIED)])
def test_gives_up_with_a_status(says: int, status: Status) -> None:
    reasoner = Scripted(rotation=[{"rotation": says}])
    failure, trace = ask(query(odd_only=True), reasoner, most=2)
    assert isinstance(failure, StageFailed)
    assert failure.status == status.value
    assert "2 attempts" in failure.reason
    assert len(reasoner.asked) == 2
    assert trace[0]["answer"] is None


def test_providers_failure_keeps_its_status() -> None:
    reasoner = Scripted(rotation=[{"rotation": 9}, ReasonerError("refused", "policy")])
    failure, trace = ask(query(), reasoner)
    assert isinstance(failure, StageFailed)
    assert (failure.status, "policy" in failure.reason) == ("refused", True)
    assert len(trace[0]["attempts"]) == 2


@pytest.mark.parametrize(
    ("labels", "word"), [([], "No part"), (["3"], "not among"), (["1", "1"], "twice"), (["1", "x"], "'x'")]
)
def test_outside_says_why(labels: list[str], word: str) -> None:
    assert word in str(outside(labels, ("1", "2"), "part"))


def test_inside_is_fine() -> None:
    assert outside(["2", "1"], ("1", "2"), "part") is None
