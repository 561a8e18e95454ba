"""Which part(s) the whole hand holds (paper III-A, part level)."""

from __future__ import annotations

import prompts
from prompts.schemas import HandPartAnswer
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.facts import PartChoiceFacts
from zdg_jax.reasoning.inquiry import Inquiry, outside
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.state import ReasonState

PLAIN, MARKED = "02_object.png", "02_hand_part.png"


def inquire(state: ReasonState) -> Inquiry[HandPartAnswer]:
    """Candidates are the numbers of the parts that show in the chosen view."""
    state.pictures[PLAIN] = pictures.plain(state)
    state.pictures[MARKED] = pictures.marked_parts(state)
    visible = state.visible_pixels(state.view)
    candidates = tuple(str(number) for number in sorted(visible))
    question = Question(
        stage=prompts.Stage.HAND_PART.value,
        prompt=prompts.render("hand_part", **state.common(), parts=state.part_rows(), candidates=candidates),
        images=(state.pictures[PLAIN], state.pictures[MARKED]),
        candidates=candidates,
        schema=HandPartAnswer,
        facts=PartChoiceFacts(
            task=state.task,
            object_name=state.obj.name,
            object=state.facts,
            visible_pixels=visible,
            role="hand",
            hand_parts=(),
        ),
    )
    return Inquiry(
        question, lambda answer: outside([str(n) for n in answer.parts], candidates, "part"), (PLAIN, MARKED)
    )
