"""P.Score: a multimodal model judges finished grasps from 1 to 5 (paper IV-A, "Evaluation Metrics")."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

import prompts
from prompts.schemas import JudgeAnswer
from zdg_jax.reasoning.protocol import Observations, Question, Reasoner
from zdg_jax.reasoning.query import Query, ask_until_valid, outside
from zdg_jax.status import StageFailed

STAGE = prompts.Stage.JUDGE.value
SCORES = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class Exhibit:
    """One grasp to be judged.

    Attributes:
      name: its id, for the record; the judge does not see it.
      task: S, the sentence.
      object_name: as the user gave it, or None.
      picture: the rendered grasp, without any measure or hint at what was intended.
    """

    name: str
    task: str
    object_name: str | None
    picture: Image.Image


@dataclass(frozen=True)
class Verdict:
    """What the judge said of one grasp.

    Attributes:
      name: the exhibit's.
      score: 1 to 5, or None where no usable answer came.
      reasoning: why, written before the score.
      status, reason: "ok", or as `ReasonedGrasp.status`.
      trace: the question and every answer, JSON-able.
      calls: what was paid, failed answers included, each as `Call`'s fields.
    """

    name: str
    score: int | None
    reasoning: str
    status: str
    reason: str
    trace: dict[str, Any]
    calls: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Summary:
    """Scores of several grasps, or means of several objects.

    Attributes:
      judged, failed: how many have one, how many have none.
      mean: None without a score.
      spread: sample standard deviation; None with fewer than two scores.
    """

    judged: int
    failed: int
    mean: float | None
    spread: float | None


def build_query(exhibit: Exhibit) -> Query[JudgeAnswer]:
    """Candidates are the whole scores of the rubric."""
    question = Question(
        stage=STAGE,
        prompt=prompts.render(STAGE, task=exhibit.task, object_name=exhibit.object_name, candidates=SCORES),
        images=(exhibit.picture,),
        candidates=SCORES,
        schema=JudgeAnswer,
        observations=Observations(task=exhibit.task, object_name=exhibit.object_name),
    )
    return Query(
        question, lambda answer: outside([str(answer.score)], SCORES, "score"), (f"{exhibit.name}.png",)
    )


async def judge(exhibits: Sequence[Exhibit], reasoner: Reasoner, max_attempts: int = 3) -> list[Verdict]:
    """Ask about every grasp on its own, all at once; how many are in flight is the reasoner's affair.

    Args:
      exhibits: the grasps; none sees another's score.
      reasoner: the judge; it must look at pictures, which `offline` does not.
      max_attempts: how often each is asked at most.
    Returns:
      one verdict an exhibit, in order; a judge that fails gives a status, not an exception.
    """
    return list(await asyncio.gather(*(_judge_one(e, reasoner, max_attempts) for e in exhibits)))


def summarize(scores: Sequence[int | float | None]) -> Summary:
    """Mean and spread of the scores that were given; None stands for one that is missing."""
    given = [score for score in scores if score is not None]
    return Summary(
        judged=len(given),
        failed=len(scores) - len(given),
        mean=float(np.mean(given)) if given else None,
        spread=float(np.std(given, ddof=1)) if len(given) > 1 else None,
    )


async def _judge_one(exhibit: Exhibit, reasoner: Reasoner, max_attempts: int) -> Verdict:
    stages: list[dict[str, Any]] = []
    score, said, status, reason = None, "", "ok", ""
    try:
        answer = await ask_until_valid(build_query(exhibit), reasoner, max_attempts, stages)
        score, said = answer.score, answer.reasoning
    except StageFailed as failure:
        status, reason = failure.status, failure.reason
    trace = {**stages[0], "prompt_version": prompts.version(STAGE)}
    calls = tuple(attempt["call"] for attempt in trace["attempts"] if attempt["call"] is not None)
    return Verdict(exhibit.name, score, said, status, reason, trace, calls)
