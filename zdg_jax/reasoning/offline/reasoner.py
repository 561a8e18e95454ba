"""The offline reasoner itself: one function a stage, wrapped in the common protocol."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from zdg_jax.reasoning.offline.stage_direction import answer_direction
from zdg_jax.reasoning.offline.stage_grasp import answer_grasp_type
from zdg_jax.reasoning.offline.stage_points import answer_points
from zdg_jax.reasoning.offline.stage_rotation import answer_rotation
from zdg_jax.reasoning.offline.stages_parts import answer_func_part, answer_hand_part, answer_view
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError

A = TypeVar("A", bound=BaseModel)

MODEL = "affordance-table-1"  # raise with every change of the data files or rules

_STAGES: dict[str, Callable[[Question[Any]], BaseModel]] = {
    "view": answer_view,
    "hand_part": answer_hand_part,
    "func_part": answer_func_part,
    "points": answer_points,
    "direction": answer_direction,
    "grasp_type": answer_grasp_type,
    "rotation": answer_rotation,
}


class OfflineReasoner:
    """Answers every stage from `question.facts` with a curated affordance table and geometry (DESIGN §5).

    It never looks at the pictures, needs no key and no network, and says the same every time. A refused
    answer is not given again: with n entries of feedback it gives its (n+1)th choice.
    """

    name = "offline"

    async def ask(self, question: Question[A]) -> Answer[A]:
        """Answers one question.

        Args:
          question: any stage's; only `facts`, `candidates` and `feedback` are read.

        Returns:
          The answer; its call costs nothing and its model is the version of the table.

        Raises:
          ReasonerError: "unknown_stage", or "exhausted" when every option was refused.
        """
        start = time.perf_counter()
        answer_stage = _STAGES.get(question.stage)
        if answer_stage is None:
            raise ReasonerError(
                "unknown_stage", f"got {question.stage!r}; expected one of {', '.join(_STAGES)}"
            )
        value = question.schema.model_validate(answer_stage(question).model_dump())
        call = Call(
            stage=question.stage,
            provider=self.name,
            model=MODEL,
            prompt_sha=hashlib.sha256(question.prompt.encode()).hexdigest(),
            attempts=len(question.feedback) + 1,
            input_tokens=0,
            output_tokens=0,
            cached_tokens=0,
            cost_usd=0.0,
            latency_s=time.perf_counter() - start,
        )
        return Answer(value, call=call)
