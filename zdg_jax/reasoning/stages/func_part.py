"""Which part(s) the thumb and the index touch, and whether exact points matter (paper III-A)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.spatial import KDTree

from prompts.schemas import FuncPartAnswer
from zdg_jax.objects.free_space import TABLE
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.protocol import Question, ReasonerError
from zdg_jax.reasoning.query import Dialogue, Query, Stage, outside
from zdg_jax.reasoning.rules.task_plan import after_refusals, planned
from zdg_jax.reasoning.stages.hand_part import (
    PLAIN,
    PartChoiceObservations,
    complete_mask,
    lift_parts,
    offered_sets,
    parts_in_words,
)
from zdg_jax.reasoning.state import ReasonState

MARKED, MASK = "03_func_part.png", "03_func_mask.png"
FINGER_REACH = 0.12
"""How far from the held part(s) thumb or index can touch anything, metres."""


class FuncPart(Stage[FuncPartAnswer]):
    """Candidates as in the hand stage; a part out of the fingers' reach is refused."""

    name, noun, answer, observations = "func_part", "part", FuncPartAnswer, PartChoiceObservations
    needs = ("hand_parts", "hand_mask")
    gives = ("func_parts", "finger_parts", "func_mask", "points_needed", "keep_free")

    def needed(self, state: ReasonState) -> bool:
        return state.config.contact

    def build_query(self, state: ReasonState) -> Query[FuncPartAnswer]:
        state.show(MARKED, lambda: pictures.marked_held(state))
        visible = state.visible_pixels(state.view)
        candidates = tuple(str(number) for number in sorted(visible))

        def check(answer: FuncPartAnswer) -> str | None:
            for own in (answer.thumb_parts, answer.index_parts):
                if refused := outside(list(map(str, own)), candidates, self.noun):
                    return refused
            return _unknown(state, answer.keep_free) or _out_of_reach(state, answer.parts)

        return self.query(
            state,
            candidates=candidates,
            pictures=(PLAIN, MARKED),
            values={"parts": state.part_rows(), "hand_parts": state.hand_parts},
            observed={"visible_pixels": visible, "role": "functional", "hand_parts": state.hand_parts},
            check=check,
        )

    def labels(self, answer: FuncPartAnswer) -> list[str]:
        return [str(number) for number in answer.parts]

    async def run(self, state: ReasonState, dialogue: Dialogue) -> None:
        answer = await dialogue.ask(self.build_query(state))
        state.func_parts = tuple(sorted(answer.parts))
        state.finger_parts = tuple(sorted(answer.thumb_parts)), tuple(sorted(answer.index_parts))
        held = {*state.func_parts, *state.hand_parts}
        state.keep_free = tuple(sorted(set(answer.keep_free) - held))
        same = state.func_parts == state.hand_parts
        if not same:
            await complete_mask(state, state.func_parts, MASK)
        # Paper III-A, "Criteria for omitting inference": the reasoner needs none, or both fingers touch one
        # part, the same by ID and name.
        state.points_needed = answer.needs_points and not answer.share_a_part
        if not state.points_needed:
            whole = state.known_hand_mask
            state.func_mask = whole if same else lift_parts(state, state.func_parts, state.region.center)

    def answer_by_rules(self, question: Question[Any]) -> FuncPartAnswer:
        """Index on the trigger or cap that the rule names, thumb on the hand's part; else both there."""
        observed, plan = planned(question, PartChoiceObservations)
        hand = observed.hand_parts or plan.holds[0]
        first = plan.touched(hand)
        singles = [(n,) for n in first] + [(n,) for n in hand] + [(p.number,) for p in observed.object.parts]
        ranking = offered_sets([first, hand, *singles], question)
        if not ranking:
            raise ReasonerError("exhausted", f"{question.stage}: no part is offered")
        parts = after_refusals(ranking, question.feedback, question.stage)
        # One exact spot matters only where a trigger of its own was found.
        special = [role for role in plan.rule.touch if role != "hold" and role in plan.roles]
        points = plan.rule.points and bool(special) and parts == ranking[0]
        # What does not adjoin the hand's parts is no trigger of theirs, as a glue gun's stick is not.
        near = {n for p in observed.object.parts if p.number in hand for n in (p.number, *p.neighbours)}
        index = [n for n in parts if n in plan.parts_of(tuple(special)) and n in near] or list(parts)
        thumb = [n for n in parts if n not in index] or list(parts)
        names = [plan.role_of(own[0]) for own in (thumb, index)]
        if points and thumb == index:
            names = [plan.role_of(hand[0]), special[0]]
        if plan.ends:
            names = [f"far end of the {names[0]}", f"near end of the {names[1]}"]
        free = [n for n in plan.parts_of(plan.rule.free) if n not in {*parts, *hand}]
        free += [TABLE] if "table" in plan.rule.free else []
        return FuncPartAnswer(
            reasoning=parts_in_words(plan, question, parts),
            thumb_parts=thumb, thumb_name=names[0], index_parts=index, index_name=names[1],
            needs_points=points, keep_free=free,
        )  # fmt: skip


def _unknown(state: ReasonState, parts: list[int]) -> str | None:
    """Parts to keep free may be hidden in the chosen view, as a mug's inside is."""
    known = [TABLE, *(part.number for part in state.obj.parts)]
    if wrong := sorted(set(parts) - set(known)):
        offered = ", ".join(map(str, known))
        return f"Part {wrong[0]} in keep_free is not one of the object's parts. Choose from: {offered}."
    return None


def _out_of_reach(state: ReasonState, parts: Sequence[int]) -> str | None:
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
