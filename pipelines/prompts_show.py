"""`zdg prompts show`: the question of one stage, pictures included."""

from __future__ import annotations

import asyncio

import prompts
from pipelines.runtime import output_folder, start_jax
from zdg_jax import api
from zdg_jax.errors import one_of
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.reasoning.chain import question_of
from zdg_jax.reasoning.judge import SCORES
from zdg_jax.reasoning.protocol import Question


def shown_question(
    stage: str,
    source: str,
    task: str,
    *,
    hand: str = "human16",
    scale: float = 1.0,
    up: str | None = None,
    name: str | None = None,
) -> Question:
    """What the stage would send; the offline reasoner answers the stages before it.

    The judge's question comes without its picture, since there is no grasp yet.

    Args:
      stage: one of `prompts.PROMPTS`.
      source, task, hand, scale, up, name: as for `zdg synth`.
    Raises:
      UserError: unknown stage, or what the object or the task lacks.
    """
    one_of("stage", stage, prompts.PROMPTS)
    start_jax()
    obj = load_object(source, scale=scale, up=up, name=name)
    if stage == prompts.Stage.JUDGE:
        return _judges_question(task, obj.name)
    return asyncio.run(question_of(stage, obj, load_hand(hand), task, api.make_reasoner("offline")))


def write_question(question: Question, out: str) -> None:
    """Write `STAGE.md` and `STAGE_1.png` ... into a folder.

    Raises:
      UserError: the folder can't be made or written.
    """
    folder = output_folder(out)
    (folder / f"{question.stage}.md").write_text(question.prompt, encoding="utf-8")
    for number, image in enumerate(question.images, start=1):
        image.save(folder / f"{question.stage}_{number}.png")


def _judges_question(task: str, object_name: str | None) -> Question:
    from zdg_jax.reasoning.protocol import Observations

    text = prompts.render("judge", task=task, object_name=object_name, candidates=SCORES)
    facts = Observations(task=task, object_name=object_name)
    return Question("judge", text, (), SCORES, prompts.answer_schema("judge"), facts)
