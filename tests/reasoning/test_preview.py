"""The shown question is the one that is sent."""

from __future__ import annotations

import asyncio

import pytest

import prompts
from tests.reasoning.things import HANDLE, HEAD, Scripted, hammer
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.reasoning.chain import question_of, reason
from zdg_jax.reasoning.protocol import Question, ReasonerError
from zdg_jax.reasoning.stages.points import PointObservations
from zdg_jax.reasoning.state import ReasonConfig

OBJ, HAND = hammer(1500), load_hand("human16")
CONFIG = ReasonConfig(image_size=160, shown_scale=1, min_part_pixels=10)


def shown(stage: str, reasoner: Scripted) -> Question:
    return asyncio.run(question_of(stage, OBJ, HAND, "hammer a nail", reasoner, CONFIG))


STAGES = [s for s in prompts.STAGES if s != "points"]


@pytest.mark.parametrize("stage", [STAGES[0], *(pytest.param(s, marks=pytest.mark.slow) for s in STAGES[1:])])
def test_same_question_as_in_the_chain(stage: str) -> None:
    whole = Scripted()
    asyncio.run(reason(OBJ, HAND, "hammer a nail", whole, CONFIG))
    (sent,) = (question for question in whole.asked if question.stage == stage)
    question = shown(stage, Scripted())
    assert question.prompt == sent.prompt
    assert [i.tobytes() for i in question.images] == [i.tobytes() for i in sent.images]
    assert all(candidate in question.prompt for candidate in question.candidates)


def test_points_are_shown_though_the_task_needs_none() -> None:
    question = shown("points", Scripted(hand_part=[{"parts": [HANDLE]}]))
    assert isinstance(question.observations, PointObservations)
    assert (question.observations.hand_parts, question.observations.func_parts) == ((HANDLE,), (HANDLE, HEAD))


def test_points_that_the_task_needs_are_left_alone() -> None:
    chosen = {"parts": [HANDLE, HEAD], "needs_points": True}
    question = shown("points", Scripted(hand_part=[{"parts": [HANDLE]}], func_part=[chosen]))
    assert isinstance(question.observations, PointObservations)
    assert question.observations.func_parts == (HANDLE, HEAD)


def test_unknown_stage_and_a_stage_that_is_never_reached() -> None:
    with pytest.raises(UserError, match="hand_part, func_part"):
        shown("dance", Scripted())
    with pytest.raises(UserError, match="no comment"):
        shown("rotation", Scripted(view=[ReasonerError("refused", "no comment")]))
