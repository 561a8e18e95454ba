"""The complete chain of III-A to III-D on a real scan over each wire."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import prompts
from tests.reasoning.models.conftest import Make, Start
from tests.reasoning.models.fakes import APIS
from tests.reasoning.things import Scripted
from zdg_jax.api import reason_task
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.reasoning.chain import Reasoning
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.stages.points import PointObservations

TASK = "drink from it"
MARKED = {"02_hand_part.png", "03_func_part.png", "04_points.png", "05_direction.png", "06_rotation.png"}


def last_part(question: Question[Any]) -> dict[str, Any]:
    return {"parts": [int(question.candidates[-1])], "needs_points": True}


def opposed(question: Question[Any]) -> dict[str, Any]:
    assert isinstance(question.observations, PointObservations)
    thumb, index = question.observations.opposed[0]
    return {"thumb": thumb, "index": index}


@pytest.fixture(scope="module")
def thought_out() -> tuple[Any, Any, Reasoning, dict[str, Any]]:
    """Mug, hand, and a chain through all seven stages with the answers that lead through it."""
    mug, hand = load_object("ycb:025_mug"), load_hand("human16")
    said = reason_task(mug, hand, TASK, Scripted(func_part=[last_part], points=[opposed]))
    answers = {}
    for stage in said.trace["stages"]:
        answers[stage["stage"]] = [{k: v for k, v in stage["answer"].items() if k != "reasoning"}]
    assert tuple(answers) == prompts.STAGES
    return mug, hand, said, answers


# test_wires.py tries each wire; every time, the whole chain goes over one of them.
@pytest.mark.slow
@pytest.mark.parametrize("api", APIS)
def test_complete_chain(
    api: str, thought_out: tuple[Any, Any, Reasoning, dict[str, Any]], start: Start, make: Make
) -> None:
    mug, hand, wanted, answers = thought_out
    local = start(script=answers, decode=True, answered_by="m-2026-01-01")
    said = reason_task(mug, hand, TASK, make(f"{api}:m"))
    assert said.grasp.status == "ok", said.grasp.status_reason
    log = local.log()
    assert [entry["stage"] for entry in log] == list(prompts.STAGES)  # each once, in the paper's order
    assert {entry["api"] for entry in log} == {api}
    assert said.grasp.initial is not None
    assert wanted.grasp.initial is not None
    assert said.grasp.initial.direction == wanted.grasp.initial.direction
    assert said.grasp.initial.rotation_index == wanted.grasp.initial.rotation_index
    for entry, stage in zip(log, said.trace["stages"], strict=True):
        assert [image["sha"] for image in entry["images"]] == stage["image_sha"]
        for name, image in zip(stage["images"], entry["images"], strict=True):
            assert image["size"] == list(said.pictures[name].size)
            assert min(image["size"]) >= 300
            if name in MARKED:
                assert image["coloured"] > 0.001, name
    marked, plain = log[1]["images"][1], log[1]["images"][0]
    assert marked["sha"] != plain["sha"]
    assert marked["coloured"] > plain["coloured"]
    calls = said.grasp.calls
    assert [call["attempts"] for call in calls] == [1] * 7
    assert {call["model"] for call in calls} == {"m-2026-01-01"}

    again = reason_task(mug, hand, TASK, make(f"{api}:m"))
    assert again.grasp.status == "ok"
    assert len(local.log()) == 7  # the second run makes no call
    assert [call["attempts"] for call in again.grasp.calls] == [0] * 7
    assert [call["input_tokens"] for call in again.grasp.calls] == [1000] * 7


@pytest.mark.slow
def test_replay_and_routes(
    thought_out: tuple[Any, Any, Reasoning, dict[str, Any]], start: Start, make: Make, tmp_path: Path
) -> None:
    mug, hand, _, answers = thought_out
    local = start(script=answers, models=["x", "y"], planned=["malformed", *[None] * 20])
    # As in IV-A: one model for the hand's position, another for everything else.
    reasoner = make("openai-chat:x", routes=["direction=gemini:y"])
    said = reason_task(mug, hand, TASK, reasoner)
    assert said.grasp.status == "ok", said.grasp.status_reason
    asked = [(entry["stage"], entry["api"], entry["model"]) for entry in local.log()]
    assert [line for line in asked if line[1] == "gemini"] == [("direction", "gemini", "y")]
    assert {line[2] for line in asked if line[0] != "direction"} == {"x"}
    assert len(asked) == 8

    file = tmp_path / "trace.json"
    file.write_text(json.dumps(said.trace))
    lines = tmp_path / "stages.jsonl"
    lines.write_text("".join(json.dumps(stage) + "\n" for stage in said.trace["stages"]))
    for path in (file, lines):
        replayed = reason_task(mug, hand, TASK, make(f"replay:{path}"))
        assert replayed.grasp.status == "ok", replayed.grasp.status_reason
        answered = [stage["answer"] for stage in replayed.trace["stages"]]
        assert answered == [stage["answer"] for stage in said.trace["stages"]]
        assert {call["attempts"] for call in replayed.grasp.calls} == {0}
    other = asyncio.run(asyncio.to_thread(reason_task, mug, hand, "wash it", make(f"replay:{file}")))
    assert other.grasp.status == "not_recorded"
    assert len(local.log()) == 8
