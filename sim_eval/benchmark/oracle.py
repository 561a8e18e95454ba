"""The benchmark's `oracle`: contact parts from the labels, every other stage from another reasoner."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

import prompts
from sim_eval.benchmark.instructions import Instruction
from zdg_jax.reasoning.models.recorded import label_call
from zdg_jax.reasoning.protocol import Answer, Question, Reasoner, ReasonerError, looks
from zdg_jax.status import Status

A = TypeVar("A", bound=BaseModel)


class LabelledParts:
    """Answers hand_part and func_part with an instruction's parts, as far as they show in the chosen view.

    The object must be the one that `with_named_parts` gave, so that part n is the n-th name. Implements
    `Reasoner`.
    """

    def __init__(self, instruction: Instruction, part_names: tuple[str, ...], others: Reasoner) -> None:
        """Args:
        instruction: the ground truth.
        part_names: of the object's parts, from number 1.
        others: answers view, points, direction, grasp type and rotation.
        """
        self.name = f"oracle+{others.name}"
        self.looks = looks(others)
        self._others = others
        numbers = {name: k for k, name in enumerate(part_names, start=1)}
        self._parts = {
            prompts.Stage.HAND_PART.value: [numbers[name] for name in instruction.hand_parts],
            prompts.Stage.FUNC_PART.value: [numbers[name] for name in instruction.func_parts],
        }

    async def ask(self, question: Question[A]) -> Answer[A]:
        """The label, or the other reasoner's answer.

        Raises:
          ReasonerError: no labelled part shows in the view, or the label was refused.
        """
        wanted = self._parts.get(question.stage)
        if wanted is None:
            return await self._others.ask(question)
        shown = [k for k in wanted if str(k) in question.candidates]
        if not shown or question.feedback:
            why = question.feedback[-1] if question.feedback else "none of them shows in the chosen view"
            raise ReasonerError(Status.INVALID_ANSWER, f"labelled part(s) {wanted}: {why}")
        said = {"reasoning": "label", "parts": shown}
        if question.stage == prompts.Stage.FUNC_PART.value:
            said["needs_points"] = False
        return Answer(question.schema.model_validate(said), call=label_call(question, self.name))
