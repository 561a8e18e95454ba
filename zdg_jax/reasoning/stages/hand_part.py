"""Which part(s) the whole hand holds (paper III-A, part level), and their region on the object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from prompts.schemas import HandPartAnswer
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning import lifting, pictures, repart
from zdg_jax.reasoning.grip import below_barrel
from zdg_jax.reasoning.hanging import crown_of
from zdg_jax.reasoning.lifting import one_hand
from zdg_jax.reasoning.protocol import Question, StageObservations
from zdg_jax.reasoning.query import Dialogue, Query, Stage
from zdg_jax.reasoning.rules.task_plan import Plan, after_refusals, intro, part_line, planned
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.status import StageFailed, Status

PLAIN, MARKED, MASK = "02_object.png", "02_hand_part.png", "03_hand_mask.png"


class PartChoiceObservations(StageObservations):
    """Choice of hand part(s) or functional-finger part(s) in the chosen view."""

    visible_pixels: dict[int, int]
    role: str  # "hand" or "functional"
    hand_parts: tuple[int, ...]  # the earlier answer, empty in the hand stage


class HandPart(Stage[HandPartAnswer]):
    """Candidates are the numbers of the parts that show in the chosen view.

    Without contact inference (the ablation "W/O Contact") every part and every sample is taken, unasked.
    """

    name, noun, answer, observations = "hand_part", "part", HandPartAnswer, PartChoiceObservations
    gives = ("hand_parts", "hand_mask")

    def build_query(self, state: ReasonState) -> Query[HandPartAnswer]:
        state.show(PLAIN, lambda: pictures.plain(state))
        state.show(MARKED, lambda: pictures.marked_parts(state))
        visible = state.visible_pixels(state.view)
        return self.query(
            state,
            candidates=tuple(str(number) for number in sorted(visible)),
            pictures=(PLAIN, MARKED),
            values={"parts": state.part_rows()},
            observed={"visible_pixels": visible, "role": "hand", "hand_parts": ()},
        )

    def labels(self, answer: HandPartAnswer) -> list[str]:
        return [str(number) for number in answer.parts]

    async def run(self, state: ReasonState, dialogue: Dialogue) -> None:
        if not state.config.contact:
            state.hand_parts = state.func_parts = tuple(part.number for part in state.obj.parts)
            state.hand_mask = state.func_mask = np.ones(len(state.obj.samples.points), bool)
            return
        if state.config.segmenter is not None:
            await repart.segment_view(state, state.config.segmenter)
        answer = await dialogue.ask(self.build_query(state))
        state.hand_parts = tuple(sorted(answer.parts))
        await complete_mask(state, state.hand_parts, MASK)
        state.hand_mask = lift_parts(state, state.hand_parts, state.camera.p_world_cam)

    def answer_by_rules(self, question: Question[Any]) -> HandPartAnswer:
        """The part(s) that play the role which the rule holds; graspable others after refusals."""
        _, plan = planned(question, PartChoiceObservations)
        parts = after_refusals(offered_sets(plan.holds, question), question.feedback, question.stage)
        return HandPartAnswer(reasoning=parts_in_words(plan, question, parts), parts=list(parts))


async def complete_mask(state: ReasonState, parts: tuple[int, ...], picture: str) -> None:
    """The box prompt of paper III-A, where there is a model to take it.

    Args:
      state: parts chosen; `completed` and `pictures` gain the mask.
      parts: the chosen numbers.
      picture: name of the mask's picture.
    """
    segmenter = state.config.segmenter
    if segmenter is not None and state.given is not None:
        await repart.complete(state, segmenter, parts)
        state.pictures[picture] = pictures.completed_mask(state, parts)


def lift_parts(
    state: ReasonState, parts: tuple[int, ...], near: Float[np.ndarray, "3"]
) -> Bool[np.ndarray, " samples"]:
    """The part(s) in 3D; of pieces that no hand spans, the one near a point.

    A segmenter's mask is of one view, and learnt features know where a part ends: then the vote of paper
    III-A lifts it (`lifting.lift_mask`). The geometric parts, which are ours, are in 3D already, unseen
    sides and the inside of a vessel told apart: a mask of them is lifted to the samples that lie on them.
    The vote on geometric features would leak (docs/decisions.md).

    Args:
      state: view chosen.
      parts: the chosen numbers.
      near: metres, object frame.
    Raises:
      StageFailed: `empty_region`.
    """
    config, samples = state.config, state.obj.samples
    if config.segmenter is None and not state.obj.learnt_features:
        mask = state.obj.part_mask(parts)
    else:
        mask = state.once(
            ("lift", state.view, parts),
            lambda: lifting.lift_mask(
                state.frame, state.mask_2d(parts), samples, state.obj.features, config.neighbors, config.seed
            ),
        )
    if not mask.any():
        raise StageFailed(Status.EMPTY_REGION, f"part(s) {parts} hold no surface sample")
    return held_of(state.obj, one_hand(samples.points, mask, near), parts)


def held_of(
    obj: ObjectModel, mask: Bool[np.ndarray, " samples"], parts: Sequence[int]
) -> Bool[np.ndarray, " samples"]:
    """What of a region a hand closes around: not where levers spread, a brim, the far end of a grip or
    handle, or the legs of a bow.

    Args:
      obj: the object.
      mask: the region.
      parts: numbers of the parts in it.
    """
    points = obj.samples.points
    for trimmed in (lifting.in_reach, lifting.below_mouth, below_barrel):
        mask = trimmed(obj, mask, parts)
    return crown_of(points, lifting.butt_of(points, mask))


def offered_sets(sets: Iterable[tuple[int, ...]], question: Question[Any]) -> list[tuple[int, ...]]:
    """Part sets cut down to the candidates, without empty ones and repetitions."""
    offered = {int(label) for label in question.candidates}
    cut = [tuple(n for n in s if n in offered) for s in sets]
    return list(dict.fromkeys(s for s in cut if s))


def parts_in_words(plan: Plan, question: Question[Any], parts: tuple[int, ...]) -> str:
    """The reasoning behind a choice of parts."""
    observed, _ = planned(question, PartChoiceObservations)
    return " ".join([intro(plan), *(part_line(n, observed.object, plan) for n in parts)])
