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


def ask(stage, schema, candidates, feedback=(), points=True):
    question = Question(
        stage, "?", (), candidates, schema, Observations(task="t", object_name=None), feedback
    )
    return asyncio.run(LabelledParts(DRILL, NAMES, Other(), points).ask(question)).value


def test_parts_come_from_the_labels_and_the_rest_from_another():
    assert isinstance(LabelledParts(DRILL, NAMES, Other()), Reasoner)
    assert ask("hand_part", HandPartAnswer, ("1", "2", "3")).parts == [2]
    functional = ask("func_part", FuncPartAnswer, ("1", "2", "3"), points=False)
    assert (functional.parts, functional.needs_points) == ((3,), False)
    assert ask("direction", DirectionAnswer, ("above",)).direction == "above"


def test_a_part_that_does_not_show_is_said_so():
    with pytest.raises(ReasonerError, match="none of them shows"):
        ask("func_part", FuncPartAnswer, ("1", "2"))
    with pytest.raises(ReasonerError, match="out of reach"):
        ask("hand_part", HandPartAnswer, ("2",), feedback=("out of reach",))


def test_a_trigger_has_points_where_both_fingers_parts_show():
    both = ask("func_part", FuncPartAnswer, ("1", "2", "3"))
    assert (both.thumb_parts, both.index_parts, both.needs_points) == ([2], [3], True)
    assert not both.share_a_part
    # the grip is hidden, or the trigger out of its reach: the part alone, as without the label
    hidden = ask("func_part", FuncPartAnswer, ("1", "3"))
    assert (hidden.parts, hidden.needs_points) == ((3,), False)
    far = ask("func_part", FuncPartAnswer, ("1", "2", "3"), feedback=("out of reach",))
    assert (far.parts, far.needs_points) == ((3,), False)
    with pytest.raises(ReasonerError, match="still out"):
        ask("func_part", FuncPartAnswer, ("1", "2", "3"), feedback=("out of reach", "still out"))
