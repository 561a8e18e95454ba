"""What the benchmark asks: sentences about objects, the parts that belong to them, and who answers so."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field

import prompts
from zdg_jax.reasoning.models.recorded import label_call
from zdg_jax.reasoning.protocol import Answer, Question, Reasoner, ReasonerError, looks
from zdg_jax.status import Status

SetName = Literal["zoo", "ycb"]
SETS: tuple[SetName, ...] = get_args(SetName)
Half = Literal["development", "held_out"]


class Instruction(BaseModel):
    """One sentence about one object, and its ground truth.

    Attributes:
      id: unique, never reused for another meaning.
      object: an OBJECT argument, e.g. "zoo:mug/3".
      task: the sentence.
      intent: use the object, hand it to somebody, or move it.
      affordance: how the hand meets the part; the terms are AffordPose's (Jian et al., ICCV 2023).
      hand_parts: any of these parts the hand shall hold.
      func_parts: any of these thumb and index shall touch.
      grounds: why there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^[a-z0-9_-]+$")
    object: str = Field(pattern=r"^(zoo|ycb):\S+$")
    task: str = Field(min_length=5)
    intent: Literal["use", "handover", "move"]
    affordance: Literal["handle-grasp", "wrap-grasp", "press", "lift", "twist", "pull", "support", "lever"]
    hand_parts: tuple[str, ...] = Field(min_length=1)
    func_parts: tuple[str, ...] = Field(min_length=1)
    grounds: str = Field(min_length=10)

    @property
    def category(self) -> str:
        """Of the zoo the category, of YCB the scan."""
        return self.object.partition(":")[2].partition("/")[0]

    @property
    def object_name(self) -> str:
        """What a person calls the object: "spray bottle", "power drill"."""
        words = self.category
        if self.object.startswith("ycb:"):
            words = words.partition("_")[2]
        return words.replace("_", " ")


@cache
def instructions(set_name: SetName) -> tuple[Instruction, ...]:
    """All instructions of a set, by file and place in it.

    Raises:
      pydantic.ValidationError: a data file breaks the schema.
    """
    folder = files("sim_eval.benchmark").joinpath("data", set_name)
    found: list[Instruction] = []
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        if path.name.endswith(".yaml"):
            rows = yaml.safe_load(path.read_text(encoding="utf-8"))
            found += [Instruction.model_validate(row) for row in rows]
    return tuple(found)


def half_of(category: str) -> Half:
    """Development if the first byte of SHA-256 of the category's name is even, else held out."""
    return "held_out" if hashlib.sha256(category.encode()).digest()[0] % 2 else "development"


@cache
def split(set_name: SetName) -> dict[str, Half]:
    """Half of each category, as committed in data/split.yaml; the offline reasoner is tuned on one only."""
    text = files("sim_eval.benchmark").joinpath("data", "split.yaml").read_text(encoding="utf-8")
    halves: dict[Half, list[str]] = yaml.safe_load(text)[set_name]
    return {category: half for half, categories in halves.items() for category in categories}


# The benchmark's `oracle`: contact parts from the labels, every other stage from another reasoner.
A = TypeVar("A", bound=BaseModel)


class LabelledParts:
    """Answers hand_part and func_part with an instruction's parts, as far as they show in the chosen view.

    The object must be the one that `with_named_parts` gave, so that part n is the n-th name. Implements
    `Reasoner`.
    """

    def __init__(self, instruction: Instruction, part_names: tuple[str, ...], others: Reasoner) -> None:
        """Args:
        instruction: the ground truth.
        part_names: of the object's parts, from number 1.
        others: answers view, points, direction, grasp type and rotation.
        """
        self.name = f"oracle+{others.name}"
        self.looks = looks(others)
        self._others = others
        numbers = {name: k for k, name in enumerate(part_names, start=1)}
        self._parts = {
            prompts.Stage.HAND_PART.value: [numbers[name] for name in instruction.hand_parts],
            prompts.Stage.FUNC_PART.value: [numbers[name] for name in instruction.func_parts],
        }

    async def ask(self, question: Question[A]) -> Answer[A]:
        """The label, or the other reasoner's answer.

        Raises:
          ReasonerError: no labelled part shows in the view, or the label was refused.
        """
        wanted = self._parts.get(question.stage)
        if wanted is None:
            return await self._others.ask(question)
        shown = [k for k in wanted if str(k) in question.candidates]
        if not shown or question.feedback:
            why = question.feedback[-1] if question.feedback else "none of them shows in the chosen view"
            raise ReasonerError(Status.INVALID_ANSWER, f"labelled part(s) {wanted}: {why}")
        said = {"reasoning": "label", "parts": shown}
        if question.stage == prompts.Stage.FUNC_PART.value:
            said["needs_points"] = False
        return Answer(question.schema.model_validate(said), call=label_call(question, self.name))
