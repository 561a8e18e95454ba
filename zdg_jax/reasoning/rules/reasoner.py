"""The `offline` reasoner: every stage answers by its rules, wrapped in the common protocol."""

from __future__ import annotations

import hashlib
import time
from typing import Any, TypeVar

from pydantic import BaseModel

from zdg_jax.reasoning import stages
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError, StageObservations
from zdg_jax.reasoning.rules.task_plan import Plan, doubts, make_plan

A = TypeVar("A", bound=BaseModel)

MODEL = "affordance-table-8"  # raise with every change of the data files or rules


class RulesReasoner:
    """Answers every stage from its observations with a curated affordance table and geometry (DESIGN §5).

    It never looks at the pictures, needs no key and no network, and says the same every time. A refused
    answer is not given again: with n entries of feedback it gives its (n+1)th choice.
    """

    name = "offline"
    looks = False

    async def ask(self, question: Question[A]) -> Answer[A]:
        """Answers one question.

        Args:
          question: any stage's; only `observations`, `candidates` and `feedback` are read.

        Returns:
          The answer; its call costs nothing and its model is the version of the table, and of the embedding
          where that found the verb.

        Raises:
          ReasonerError: "unknown_stage", or "exhausted" when every option was refused.
        """
        start = time.perf_counter()
        known = {stage.name: stage for stage in stages.STAGES}
        if question.stage not in known:
            raise ReasonerError(
                "unknown_stage", f"got {question.stage!r}; expected one of {', '.join(known)}"
            )
        answer = known[question.stage].answer_by_rules(question)
        value = question.schema.model_validate(answer.model_dump())
        plan = _plan(question)
        call = Call(
            stage=question.stage,
            provider=self.name,
            model=MODEL if plan is None or plan.heard.near is None else f"{MODEL}+{plan.heard.near}",
            prompt_sha=hashlib.sha256(question.prompt.encode()).hexdigest(),
            attempts=len(question.feedback) + 1,
            input_tokens=0,
            output_tokens=0,
            cached_tokens=0,
            cost_usd=0.0,
            latency_s=time.perf_counter() - start,
        )
        return Answer(value, call=call, doubts=() if plan is None else doubts(plan))


def _plan(question: Question[Any]) -> Plan | None:
    """What a stage's task is taken to mean."""
    seen = question.observations
    if not isinstance(seen, StageObservations):
        return None
    return make_plan(seen.task, seen.object_name, seen.object, seen.types)
