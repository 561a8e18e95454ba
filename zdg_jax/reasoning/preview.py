"""The question that a stage would send, found by walking the chain up to it."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

import prompts
from prompts.schemas import FuncPartAnswer
from zdg_jax.errors import UserError
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.chain import reason
from zdg_jax.reasoning.config import ReasonConfig
from zdg_jax.reasoning.protocol import Answer, Question, Reasoner, ReasonerError
from zdg_jax.reasoning.stages.hand_part import PartChoiceObservations

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
    if answer.needs_points and set(answer.parts) != set(observed.hand_parts):
        return None
    others = [n for n in map(int, question.candidates) if n not in observed.hand_parts]
    tried = len(question.feedback)
    if tried >= len(others):
        return None
    shown = {"reasoning": "Only to show the point stage.", "parts": [others[tried]], "needs_points": True}
    return question.schema.model_validate(shown)
