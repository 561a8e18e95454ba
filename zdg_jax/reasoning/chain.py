"""The stages in order: a task and an object in, contact guidance and initial grasp out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from PIL import Image
from pydantic import BaseModel

import prompts
from prompts.schemas import FuncPartAnswer
from zdg_jax.errors import UserError
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.free_space import keep_free_points
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning import stages
from zdg_jax.reasoning.protocol import Answer, Question, Reasoner, ReasonerError, looks
from zdg_jax.reasoning.query import Dialogue
from zdg_jax.reasoning.repart import parts_under
from zdg_jax.reasoning.stages.hand_part import PartChoiceObservations
from zdg_jax.reasoning.state import ReasonConfig, ReasonState, for_task, open_state
from zdg_jax.status import StageFailed, Status

# The question that a stage would send, found by walking the chain up to it.
A = TypeVar("A", bound=BaseModel)


async def question_of(
    stage: str,
    obj: ObjectModel,
    hand: HandModel,
    task: str,
    reasoner: Reasoner,
    config: ReasonConfig | None = None,
) -> Question:
    """What the stage asks about this object and task; stages before it are answered, it is not.

    The point stage is often omitted (paper III-A). To show it all the same, thumb and index then get
    a part that the hand does not hold, if one is in reach.

    Args:
      stage: one of `prompts.STAGES`.
      obj, hand, task: as for `reason`.
      reasoner: answers the stages before.
      config: as for `reason`.
    Raises:
      UserError: for an unknown stage, or one that the chain does not come to; it says why.
    """
    if stage not in prompts.STAGES:
        raise UserError(f"stage {stage!r}", f"one of {', '.join(prompts.STAGES)}", "choose one of them")
    stop = _StopAt(stage, reasoner)
    reasoning = await reason(obj, hand, task, stop, config)
    if stop.question is None:
        why = (
            reasoning.grasp.status_reason or "thumb and index need no points on any part in the hand's reach"
        )
        raise UserError(
            f"a task that never comes to stage {stage!r} ({why})", "one that does", "choose another"
        )
    return stop.question


class _StopAt:
    """Passes questions on until one stage's, which it keeps."""

    def __init__(self, stage: str, reasoner: Reasoner) -> None:
        self.stage, self.inner, self.name = stage, reasoner, reasoner.name
        self.question: Question | None = None

    async def ask(self, question: Question[A]) -> Answer[A]:
        if question.stage == self.stage:
            self.question = question
            raise ReasonerError("shown", "the question is only shown")
        answer = await self.inner.ask(question)
        if self.stage == "points" and isinstance(answer.value, FuncPartAnswer):
            elsewhere = _elsewhere(question, answer.value)
            return answer if elsewhere is None else Answer(elsewhere, call=answer.call)
        return answer


def _elsewhere(question: Question[A], answer: FuncPartAnswer) -> A | None:
    """An answer that makes the point stage run; each refusal (out of reach) moves on to the next part."""
    observed = question.observations
    assert isinstance(observed, PartChoiceObservations)
    if answer.needs_points and not answer.share_a_part:
        return None
    others = [n for n in map(int, question.candidates) if n not in observed.hand_parts]
    tried = len(question.feedback)
    if tried >= len(others):
        return None
    shown = {
        "reasoning": "Only to show the point stage.", "thumb_parts": list(observed.hand_parts),
        "index_parts": [others[tried]], "needs_points": True,
    }  # fmt: skip
    return question.schema.model_validate(shown)


@dataclass(frozen=True)
class Reasoning:
    """What the chain says of one task.

    Attributes:
      grasp: status, contact guidance, initial grasp, calls.
      trace: JSON-able: task, object_id, hand, reasoner, status, warnings, and for each stage its prompt,
        picture names, candidates, every attempt with the reason for its refusal, and the answer.
      pictures: every visual prompt by file name.
    """

    grasp: ReasonedGrasp
    trace: dict[str, Any]
    pictures: dict[str, Image.Image]


async def reason(
    obj: ObjectModel,
    hand: HandModel,
    task: str,
    reasoner: Reasoner,
    config: ReasonConfig | None = None,
    opened: ReasonState | None = None,
) -> Reasoning:
    """Run the stages of paper III-A to III-D for one task.

    Args:
      obj: the object.
      hand: the hand.
      task: S, the user's sentence.
      reasoner: answers every stage that `config.routes` sends nowhere else.
      config: settings; the paper's by default.
      opened: from `open_state` with the same object, hand and settings, so that views are drawn once.
    Returns:
      the result; a stage without a usable answer gives a status (see `Status`), not an exception.
    Raises:
      UserError: for an empty task, a route of an unknown stage, or `draw` off with a reasoner that looks.
    """
    config = config or ReasonConfig()
    if not task.strip():
        raise UserError("an empty task", "a sentence such as 'drink from it'", "say what the grasp is for")
    for stage in config.routes:
        if stage not in prompts.STAGES:
            raise UserError(
                f"a route for stage {stage!r}", f"one of {', '.join(prompts.STAGES)}", "mend the route"
            )
    unseen = [r.name for r in (reasoner, *config.routes.values()) if looks(r)]
    if not config.draw and (unseen or config.segmenter is not None):
        who = ", ".join(unseen) or "a segmenter"
        raise UserError(f"draw=False with {who}, who looks at pictures", "draw=True", "leave `draw` out")
    started = time.perf_counter()
    sentence = task.strip()
    state = open_state(obj, hand, sentence, config) if opened is None else for_task(opened, sentence)
    state.blind = frozenset(s for s in prompts.STAGES if not looks(config.routes.get(s, reasoner)))
    records: list[dict[str, Any]] = []
    initial, guidance, status, why = None, None, Status.OK.value, ""
    try:
        dialogue = Dialogue(state, reasoner, records)
        for stage in stages.STAGES:
            if stage.needed(state):
                if missing := state.missing(stage.needs):
                    raise RuntimeError(f"stage {stage.name} needs what no stage gave: {', '.join(missing)}")
                await stage.run(state, dialogue)
        initial = _initial_grasp(state)
        guidance = _guidance(state)
    except StageFailed as failure:
        status, why = failure.status, failure.reason
    attempts = [attempt for record in records for attempt in record["attempts"]]
    calls = tuple(attempt["call"] for attempt in attempts if attempt["call"] is not None)
    trace: dict[str, Any] = {
        "task": state.task,
        "object_id": obj.object_id,
        "hand": hand.name,
        "reasoner": reasoner.name,
        "segmenter": config.segmenter.name if config.segmenter is not None else "geometric",
        "status": status,
        "status_reason": why,
        "warnings": state.warnings,
        "seconds": round(time.perf_counter() - started, 3),
        "stages": records,
    }
    grasp = ReasonedGrasp(state.task, status, why, guidance, initial, calls)
    return Reasoning(grasp, trace, state.pictures)


def _initial_grasp(state: ReasonState) -> InitialGrasp:
    """G' of the stages' results."""
    k = state.rotation_index
    assert k is not None
    assert state.p_obj_palm is not None
    assert state.R_candidates is not None
    return InitialGrasp(
        p_obj_palm=state.p_obj_palm,
        R_obj_palm=state.R_candidates[k],
        grasp_type=state.grasp_type,
        direction=state.direction,
        rotation_index=k,
        view_index=state.view,
    )


def _guidance(state: ReasonState) -> ContactGuidance:
    """The regions of the stages' results, by the object's own parts."""
    hand = state.known_hand_mask
    func = state.func_mask if state.func_mask is not None else hand
    free = keep_free_points(state.obj, state.keep_free, hand | func)
    if state.given is None:
        own, other = state.hand_parts, state.func_parts
    else:  # rows, pictures and metrics know the geometric parts; segments mean something in one view only
        own, other = parts_under(state.given, hand), parts_under(state.given, func)
    return ContactGuidance(hand, func, state.p_obj_points, own, other, state.any_side, free, _thumb(state))


def _thumb(state: ReasonState) -> Float[np.ndarray, "3"] | None:
    """Where the chosen turn of the hand has its thumb, unit, object frame; None before one is chosen."""
    k, R, pad = state.rotation_index, state.R_candidates, state.hand.functional_pads[0]
    if k is None or R is None or pad is None:
        return None
    across = posed_in_palm(state.hand, state.hand.open_joints, "pad")[pad, 1]
    return R[k][:, 1] * (1.0 if across >= 0 else -1.0)
