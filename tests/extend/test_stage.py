"""A reasoning stage from outside: its class, its template, its answer and a place in the table."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest

import prompts
from prompts import schemas
from tests.reasoning.things import HEAD, Scripted, hammer
from zdg_jax.hands import load_hand
from zdg_jax.reasoning import stages
from zdg_jax.reasoning.chain import Reasoning, reason
from zdg_jax.reasoning.models import factory
from zdg_jax.reasoning.protocol import ChosenPartsObservations, Question
from zdg_jax.reasoning.query import Query, Stage
from zdg_jax.reasoning.rules.task_plan import planned
from zdg_jax.reasoning.stages.hand_part import MARKED
from zdg_jax.reasoning.state import ReasonConfig, ReasonState

TEMPLATE = """---
version: 1
example: {case: A pan., answer: {reasoning: The rim is free., parts: [2]}}
---
Task: {{ task | quoted }}. One hand holds part(s) {{ hand_parts | join(", ") }}. Which does the other hold?

Candidates (parts): {{ candidates | join(", ") }}.
"""


class OtherHand(Stage[schemas.HandPartAnswer]):
    """Which part(s) a second hand could hold: any but the first one's."""

    name, noun, answer, observations = "other_hand", "part", schemas.HandPartAnswer, ChosenPartsObservations
    needs, gives = ("hand_parts",), ("other_parts",)

    def build_query(self, state: ReasonState) -> Query[schemas.HandPartAnswer]:
        free = [part.number for part in state.obj.parts if part.number not in state.hand_parts]
        return self.query(
            state,
            tuple(map(str, free)),
            (MARKED,),
            values=state.chosen_parts(),
            observed=state.chosen_parts(),
        )

    def labels(self, answer: schemas.HandPartAnswer) -> list[str]:
        return [str(number) for number in answer.parts]

    def take(self, state: ReasonState, answer: schemas.HandPartAnswer) -> None:
        state.more["other_parts"] = tuple(answer.parts)

    def answer_by_rules(self, question: Question[Any]) -> schemas.HandPartAnswer:
        observed, _ = planned(question, ChosenPartsObservations)
        free = [p.number for p in observed.object.parts if p.number not in observed.hand_parts]
        return schemas.HandPartAnswer(reasoning="It is free.", parts=free[:1])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(prompts.TEMPLATE_FOLDER, folder)
    (folder / "other_hand.md.j2").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.setattr(importlib.import_module("prompts"), "TEMPLATE_FOLDER", folder)
    monkeypatch.setitem(schemas.ANSWERS, "other_hand", schemas.HandPartAnswer)
    monkeypatch.setattr(stages, "STAGES", (*stages.STAGES[:3], OtherHand(), *stages.STAGES[3:]))


def run(reasoner: Any) -> Reasoning:
    config = ReasonConfig(image_size=96, shown_scale=1, min_part_pixels=4, view_index="auto")
    return asyncio.run(reason(hammer(600), load_hand("human16"), "hammer a nail", reasoner, config))


@pytest.mark.usefixtures("place")
def test_a_stage_from_outside_is_asked_and_told_and_answered_by_rules() -> None:
    for reasoner in (Scripted(other_hand=[{"parts": [9]}, {"parts": [HEAD]}]), factory.make("offline")):
        reasoning = run(reasoner)
        assert reasoning.grasp.status == "ok", reasoning.grasp.status_reason
        record = reasoning.trace["stages"][2]
        assert (record["stage"], record["prompt_version"], record["images"]) == ("other_hand", 1, [MARKED])
        assert record["answer"]["parts"] == [HEAD]
        assert [a["refused"] is None for a in record["attempts"]][-1]


def test_without_it_nothing_of_it_is_left() -> None:
    asked = [record["stage"] for record in run(Scripted()).trace["stages"]]
    assert "other_hand" not in asked


def test_every_stage_finds_what_it_needs() -> None:
    given: set[str] = set()
    for stage in stages.STAGES:
        assert set(stage.needs) <= given, stage.name
        given |= set(stage.gives)
    assert tuple(stage.name for stage in stages.STAGES) == prompts.STAGES
    assert all(stage.answer is prompts.answer_schema(stage.name) for stage in stages.STAGES)
