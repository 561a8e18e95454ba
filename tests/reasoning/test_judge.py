"""P.Score: what the judge is shown, and what becomes of its scores."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from PIL import Image

import prompts
from tests.reasoning.things import Scripted
from zdg_jax.reasoning.judge import SCORES, Exhibit, Verdict, build_query, judge, summarize
from zdg_jax.reasoning.protocol import ReasonerError


def exhibit(name: str = "a") -> Exhibit:
    return Exhibit(name, "hammer a nail", "hammer", Image.new("RGB", (12, 4)))


def judged(reasoner: Scripted, count: int = 1) -> list[Verdict]:
    return asyncio.run(judge([exhibit(f"g{i}") for i in range(count)], reasoner))


def test_the_question_shows_the_picture_and_hides_the_id() -> None:
    question = build_query(exhibit("grasp-7")).question
    assert question.stage == "judge"
    assert question.candidates == SCORES
    assert [image.size for image in question.images] == [(12, 4)]
    assert "grasp-7" not in question.prompt
    for score in SCORES:
        assert f"\n- {score}: " in question.prompt


def test_reasons_come_before_the_score() -> None:
    assert list(prompts.answer_schema("judge").model_fields) == ["reasoning", "score"]


def test_every_grasp_is_judged_on_its_own_and_in_order() -> None:
    reasoner = Scripted("j", judge=[{"score": 5}, {"score": 2}, {"score": 4}])
    verdicts = judged(reasoner, 3)
    assert [v.name for v in verdicts] == ["g0", "g1", "g2"]
    assert [v.score for v in verdicts] == [5, 2, 4]
    assert {v.reasoning for v in verdicts} == {"because"}
    assert all(question.feedback == () for question in reasoner.asked)
    assert [len(v.calls) for v in verdicts] == [1, 1, 1]
    assert verdicts[0].trace["prompt_version"] == prompts.version("judge")
    json.dumps([v.trace for v in verdicts])


def test_a_judge_that_fails_gives_a_status_and_no_score() -> None:
    (verdict,) = judged(Scripted("j", judge=[ReasonerError("refused", "policy")]))
    assert (verdict.score, verdict.status) == (None, "refused")
    assert "policy" in verdict.reason


@pytest.mark.parametrize("score", [0, 6, 3.5])
def test_a_score_off_the_scale_is_no_answer(score: Any) -> None:
    with pytest.raises(ValueError, match="score"):
        prompts.answer_schema("judge").model_validate({"reasoning": "x", "score": score})


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([4, 2, None, 3], (3, 1, 3.0, 1.0)),
        ([5], (1, 0, 5.0, None)),
        ([None], (0, 1, None, None)),
        ([], (0, 0, None, None)),
    ],
)
def test_mean_and_spread(scores: list[int | None], expected: tuple[Any, ...]) -> None:
    summary = summarize(scores)
    assert (summary.judged, summary.failed, summary.mean, summary.spread) == pytest.approx(expected)
