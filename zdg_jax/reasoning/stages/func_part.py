"""Which part(s) thumb and index touch, and whether exact points matter (paper III-A)."""

from __future__ import annotations

from scipy.spatial import KDTree

import prompts
from prompts.schemas import FuncPartAnswer
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.facts import PartChoiceFacts
from zdg_jax.reasoning.inquiry import Inquiry, outside
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.stages.hand_part import PLAIN
from zdg_jax.reasoning.state import ReasonState

MARKED = "03_func_part.png"
FINGER_REACH = 0.12
"""How far from the held part(s) thumb or index can touch anything, metres."""


def inquire(state: ReasonState) -> Inquiry[FuncPartAnswer]:
    """Candidates as in the hand stage; a part out of the fingers' reach is refused."""
    state.pictures[MARKED] = pictures.marked_parts(state)
    visible = state.visible_pixels(state.view)
    candidates = tuple(str(number) for number in sorted(visible))
    question = Question(
        stage=prompts.Stage.FUNC_PART.value,
        prompt=prompts.render(
            "func_part",
            **state.common(),
            parts=state.part_rows(),
            hand_parts=state.hand_parts,
            candidates=candidates,
        ),
        images=(state.pictures[PLAIN], state.pictures[MARKED]),
        candidates=candidates,
        schema=FuncPartAnswer,
        facts=PartChoiceFacts(
            task=state.task,
            object_name=state.obj.name,
            object=state.facts,
            visible_pixels=visible,
            role="functional",
            hand_parts=state.hand_parts,
        ),
    )

    def check(answer: FuncPartAnswer) -> str | None:
        refused = outside([str(number) for number in answer.parts], candidates, "part")
        return refused or _out_of_reach(state, answer.parts)

    return Inquiry(question, check, (PLAIN, MARKED))


def needs_points(state: ReasonState, answer: FuncPartAnswer) -> bool:
    """Whether the point stage runs (paper III-A, "Criteria for omitting inference").

    It is omitted if the reasoner says so, or if thumb and index share the hand's part(s).
    """
    return answer.needs_points and set(answer.parts) != set(state.hand_parts)


def _out_of_reach(state: ReasonState, parts: list[int]) -> str | None:
    points = state.obj.samples.points
    held = points[state.obj.part_mask(state.hand_parts)]
    if len(held) == 0:
        return None
    tree = KDTree(held)
    for number in parts:
        own = points[state.obj.part_mask((number,))]
        if len(own) and (gap := tree.query(own)[0].min()) > FINGER_REACH:
            return (
                f"Part {number} is {100 * gap:.0f} cm from the held part(s); thumb and index reach at most "
                f"{100 * FINGER_REACH:.0f} cm. Choose a nearer part."
            )
    return None
