"""A question with its checks, the loop that asks again, and what every stage of the chain is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

import prompts
from zdg_jax.reasoning.evidence import Evidence, Seen, Whole
from zdg_jax.reasoning.protocol import (
    Question,
    Reasoner,
    ReasonerError,
    StageObservations,
    UnusableAnswer,
    image_sha,
)
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.status import StageFailed, Status

A = TypeVar("A", bound=BaseModel)
Check = Callable[[A], "str | None"]
"""None if the answer will do, else the reason why not, written to whoever gave it."""


@dataclass(frozen=True)
class Query(Generic[A]):
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


async def ask_until_valid(
    query: Query[A], reasoner: Reasoner, max_attempts: int, trace: list[dict[str, Any]]
) -> A:
    """Ask until an answer passes; each refusal's reason goes back with the next question (DESIGN §5).

    Args:
      query: from a stage's `build_query`.
      reasoner: who answers.
      max_attempts: how often at most.
      trace: gets one JSON-able record of the stage appended, whatever the outcome.
    Returns:
      the first answer that passes.
    Raises:
      StageFailed: with the provider's status, `invalid_answer`, or the query's `failed_as`.
    """
    question = replace(query.question, judge=query.judge)
    attempts: list[dict[str, Any]] = []
    record: dict[str, Any] = {
        "stage": question.stage,
        "reasoner": reasoner.name,
        "prompt": question.prompt,
        "images": list(query.picture_names),
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
        refused, status = query.check(answer.value), Status.INVALID_ANSWER
        if refused is None and query.verify is not None:
            refused, status = query.verify(answer.value), query.failed_as
        given = answer.value.model_dump(mode="json")
        attempts.append({"answer": given, "refused": refused, "call": asdict(answer.call)})
        if answer.doubts:
            attempts[-1]["doubts"] = list(answer.doubts)
        if refused is None:
            record["answer"] = given
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


class Dialogue:
    """One task's questions and answers, written down as they come.

    Args:
      state: of the task; its settings say who answers which stage and how often one is asked.
      reasoner: answers every stage that `config.routes` sends nowhere else.
      trace: gets one record for each query.
    """

    def __init__(self, state: ReasonState, reasoner: Reasoner, trace: list[dict[str, Any]]) -> None:
        self.config, self.reasoner, self.trace = state.config, reasoner, trace
        self.warnings = state.warnings

    async def ask(self, query: Query[A]) -> A:
        """The first answer that passes; raises `StageFailed` if none does."""
        stage = query.question.stage
        reasoner = self.config.routes.get(stage, self.reasoner)
        try:
            return await ask_until_valid(query, reasoner, self.config.max_attempts, self.trace)
        finally:
            sent = query.question.prompt.encode()
            self.trace[-1]["prompt_version"] = prompts.version(stage)
            self.trace[-1]["prompt_sha"] = hashlib.sha256(sent).hexdigest()
            said = [doubt for attempt in self.trace[-1]["attempts"] for doubt in attempt.get("doubts", ())]
            self.warnings += [doubt for doubt in said if doubt not in self.warnings]

    def refuse(self, reason: str) -> None:
        """Write down why the last answer, which had passed, will not do after all."""
        self.trace[-1]["attempts"][-1]["refused"] = reason


class Stage(Generic[A]):
    """One stage: what it asks, what its answer settles, and how the affordance rules answer it.

    Attributes:
      name: of its template and of its answer's class (`prompts`), and in every trace.
      noun: what one candidate is called when an answer is refused.
      answer: the class of its answer.
      observations: the class of its structured numbers.
      needs: fields of the state that earlier stages fill in.
      gives: fields that this one fills in.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    answer: type[A]
    observations: ClassVar[type[StageObservations]]
    needs: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()

    def needed(self, state: ReasonState) -> bool:
        """Whether the task comes to this stage at all."""
        return True

    def build_query(self, state: ReasonState) -> Query[A]:
        """Pictures, question and checks; the pictures stay in the state."""
        raise NotImplementedError

    def take(self, state: ReasonState, answer: A) -> None:
        """Fill in what the answer settles."""
        raise NotImplementedError

    def answer_by_rules(self, question: Question[Any]) -> A:
        """What the `offline` reasoner says, from the observations alone.

        Raises:
          ReasonerError: every option was refused.
        """
        raise NotImplementedError

    async def run(self, state: ReasonState, dialogue: Dialogue) -> None:
        """Ask, and take the answer; raises `StageFailed`."""
        self.take(state, await dialogue.ask(self.build_query(state)))

    def views(self, state: ReasonState) -> tuple[int, ...]:
        """The side views that the question's pictures show: the chosen one."""
        return (state.view,)

    def labels(self, answer: A) -> list[str]:
        """What an answer chose, as candidates are written: by default the field of the stage's name."""
        return [str(getattr(answer, self.name))]

    def query(
        self,
        state: ReasonState,
        candidates: tuple[str, ...],
        pictures: tuple[str, ...],
        values: Mapping[str, object],
        observed: Mapping[str, object] | Callable[[Evidence], Mapping[str, object]],
        feedback: tuple[str, ...] = (),
        **checks: Any,
    ) -> Query[A]:
        """The stage's query from what is its own.

        Args:
          state: holds the pictures already.
          candidates: the only labels that an answer may use.
          pictures: their names, in the order in which the text speaks of them.
          values: for the template, besides task, object name and candidates.
          observed: for `observations`, besides task, object name and object: a function of what they are
            taken from, the whole surface or what shows; or the numbers, where the pictures show them all.
          feedback: why an earlier answer, which had passed, was refused.
          **checks: further fields of `Query`; without `check`, labels must be among the candidates.
        """
        pictures = pictures if state.config.draw else ()
        shown = self.views(state)

        def numbers(of: Evidence) -> StageObservations:
            own = observed(of) if callable(observed) else observed
            return self.observations.model_validate(
                {**state.common(), "object": of.object, "types": state.types, **own}
            )

        question = Question(
            stage=self.name,
            prompt=prompts.render(self.name, **state.common(), **values, candidates=candidates),
            images=tuple(state.pictures[name] for name in pictures),
            candidates=candidates,
            schema=self.answer,
            observations=numbers(Whole(state)),
            feedback=feedback,
            seen=lambda: numbers(Seen(state, shown)),
        )
        checks.setdefault("check", lambda answer: outside(self.labels(answer), candidates, self.noun))
        return Query(question, picture_names=pictures, **checks)
