from __future__ import annotations

import asyncio

import pytest

from prompts.schemas import DirectionAnswer, FuncPartAnswer, HandPartAnswer
from sim_eval.benchmark.instructions import LabelledParts, instructions
from zdg_jax.reasoning.protocol import Answer, Call, Observations, Question, Reasoner, ReasonerError

DRILL = next(i for i in instructions("zoo") if i.id == "zoo-drill-0")
NAMES = ("battery", "handle", "trigger")


class Other:
    name = "other"

    async def ask(self, question):
        value = question.schema(reasoning="x", direction="above")
        return Answer(value, call=Call("direction", "other", "other", "sha"))


def ask(stage, schema, candidates, feedback=()):
    question = Question(
        stage, "?", (), candidates, schema, Observations(task="t", object_name=None), feedback
    )
    return asyncio.run(LabelledParts(DRILL, NAMES, Other()).ask(question)).value


def test_parts_come_from_the_labels_and_the_rest_from_another():
    assert isinstance(LabelledParts(DRILL, NAMES, Other()), Reasoner)
    assert ask("hand_part", HandPartAnswer, ("1", "2", "3")).parts == [2]
    functional = ask("func_part", FuncPartAnswer, ("1", "2", "3"))
    assert (functional.parts, functional.needs_points) == ([3], False)
    assert ask("direction", DirectionAnswer, ("above",)).direction == "above"


def test_a_part_that_does_not_show_is_said_so():
    with pytest.raises(ReasonerError, match="none of them shows"):
        ask("func_part", FuncPartAnswer, ("1", "2"))
    with pytest.raises(ReasonerError, match="out of reach"):
        ask("hand_part", HandPartAnswer, ("2",), feedback=("out of reach",))
