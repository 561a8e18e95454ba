"""One stage's question, how to judge its answers, and the loop that asks again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from zdg_jax.reasoning.picture_hash import image_sha
from zdg_jax.reasoning.protocol import Question, Reasoner, ReasonerError, UnusableAnswer
from zdg_jax.reasoning.status import StageFailed, Status

A = TypeVar("A", bound=BaseModel)
Check = Callable[[A], "str | None"]
"""None if the answer will do, else the reason why not, written to whoever gave it."""


@dataclass(frozen=True)
class Inquiry(Generic[A]):
    """A question and how its answers are judged.

    Attributes:
      question: what is asked.
      check: is the answer well formed; a failure that lasts ends the row with `invalid_answer`.
      verify: is it physically plausible (paper III-D); a failure that lasts ends it with `failed_as`.
      picture_names: keys in the chain's `pictures`, in the order of `question.images`.
      failed_as: status of a lasting failure of `verify`.
    """

    question: Question[A]
    check: Check[A]
    picture_names: tuple[str, ...]
    verify: Check[A] | None = None
    failed_as: Status = Status.INVALID_ANSWER

    def judge(self, answer: A) -> str | None:
        """Why an answer will not do; None if it will."""
        refused = self.check(answer)
        return self.verify(answer) if refused is None and self.verify is not None else refused


async def settle(
    inquiry: Inquiry[A], reasoner: Reasoner, max_attempts: int, trace: list[dict[str, Any]]
) -> A:
    """Ask until an answer passes; each refusal's reason goes back with the next question (DESIGN §5).

    Args:
      inquiry: from a stage's `inquire`.
      reasoner: who answers.
      max_attempts: how often at most.
      trace: gets one JSON-able record of the stage appended, whatever the outcome.
    Returns:
      the first answer that passes.
    Raises:
      StageFailed: with the provider's status, `invalid_answer`, or the inquiry's `failed_as`.
    """
    question = replace(inquiry.question, judge=inquiry.judge)
    attempts: list[dict[str, Any]] = []
    record: dict[str, Any] = {
        "stage": question.stage,
        "reasoner": reasoner.name,
        "prompt": question.prompt,
        "images": list(inquiry.picture_names),
        "image_sha": [image_sha(image) for image in question.images],
        "candidates": list(question.candidates),
        "answer": None,
        "attempts": attempts,
    }
    trace.append(record)
    failure = StageFailed(Status.INVALID_ANSWER, f"stage {question.stage} was never asked")
    for _ in range(max_attempts):
        try:
            answer = await reasoner.ask(question)
        except ReasonerError as error:
            call = asdict(error.call) if error.call is not None else None
            attempts.append({"answer": None, "refused": error.reason, "status": error.status, "call": call})
            if not isinstance(error, UnusableAnswer):
                raise StageFailed(error.status, f"stage {question.stage}: {error.reason}") from error
            failure = _lasting(error.status, question.stage, len(attempts), error.reason)
            question = replace(question, feedback=(*question.feedback, error.reason))
            continue
        refused, status = inquiry.check(answer.value), Status.INVALID_ANSWER
        if refused is None and inquiry.verify is not None:
            refused, status = inquiry.verify(answer.value), inquiry.failed_as
        said = answer.value.model_dump(mode="json")
        attempts.append({"answer": said, "refused": refused, "call": asdict(answer.call)})
        if refused is None:
            record["answer"] = said
            return answer.value
        failure = _lasting(status, question.stage, len(attempts), refused)
        question = replace(question, feedback=(*question.feedback, refused))
    raise failure


def _lasting(status: str, stage: str, attempts: int, last: str) -> StageFailed:
    return StageFailed(status, f"stage {stage}, {attempts} attempts; last: {last}")


def outside(labels: list[str], candidates: tuple[str, ...], what: str) -> str | None:
    """Why labels will not do: none given, one twice, or one that is not a candidate."""
    offered = ", ".join(candidates)
    if not labels:
        return f"No {what} was chosen. Choose from: {offered}."
    for label in labels:
        if label not in candidates:
            return f"{what.capitalize()} {label!r} is not among the candidates. Choose from: {offered}."
    if len(set(labels)) < len(labels):
        return f"A {what} was named twice. Name each at most once."
    return None
