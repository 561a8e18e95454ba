"""The `offline` reasoners: every stage answers by its rules, wrapped in the common protocol."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from zdg_jax.reasoning import stages
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError, StageObservations
from zdg_jax.reasoning.rules.task_plan import Plan, doubts, make_plan

A = TypeVar("A", bound=BaseModel)

SEEN = "offline-seen"

MODEL = "affordance-table-12"  # raise with every change of the data files or rules


class RulesReasoner:
    """Answers every stage from its observations with a curated affordance table and geometry (DESIGN §5).

    It never looks at the pictures, needs no key and no network, and says the same every time. A refused
    answer is not given again: with n entries of feedback it gives its (n+1)th choice.

    Of the two the ordinary one, `offline`, plans with more than any viewer of the pictures knows: parts
    measured on all sides, thickness and holes of the mesh, what lies in the palm's way behind what shows, how
    much of a hand would be inside the object. Tables with it say what rules and exact geometry can do, and
    nothing of what a model would make of the pictures.

    `offline-seen` has the same table and rules, and in place of the mesh the surface that the question's own
    pictures show (`evidence.Seen`): four views in the first stage, the chosen one after it. Still it is no
    model: it is told depth and slope of every pixel and the borders of the marked parts without error, and
    knows nothing of colours, of words in the picture, or of the world.

    Args:
      seen: read only what the pictures show.
    """

    looks = False

    def __init__(self, seen: bool = False) -> None:
        self.seen = seen
        self.name = SEEN if seen else "offline"

    async def ask(self, question: Question[A]) -> Answer[A]:
        """Answers one question.

        Args:
          question: any stage's; only `observations` (or `seen`), `candidates` and `feedback` are read.

        Returns:
          The answer; its call costs nothing and its model is the version of the table, and of the embedding
          where that found the verb.

        Raises:
          ReasonerError: "unknown_stage", "exhausted" when every option was refused, or "unseen" for a
            question without `seen`.
        """
        start = time.perf_counter()
        known = {stage.name: stage for stage in stages.STAGES}
        if question.stage not in known:
            raise ReasonerError(
                "unknown_stage", f"got {question.stage!r}; expected one of {', '.join(known)}"
            )
        if self.seen:
            if question.seen is None:
                raise ReasonerError("unseen", "got a question without `seen`; expected what it shows")
            question = replace(question, observations=question.seen(), seen=None)
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
