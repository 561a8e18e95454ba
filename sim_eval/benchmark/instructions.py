"""What the benchmark asks: sentences about objects, the parts that belong to them, and who answers so."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field

import prompts
from zdg_jax.reasoning.models.recorded import label_call
from zdg_jax.reasoning.protocol import Answer, Question, Reasoner, ReasonerError, looks
from zdg_jax.status import Status

SetName = Literal["zoo", "ycb"]
SETS: tuple[SetName, ...] = get_args(SetName)
Half = Literal["development", "held_out"]


class FingerParts(BaseModel):
    """What the two functional fingers shall press, each at a point: part names.

    Attributes:
      thumb, index: any of these parts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    thumb: tuple[str, ...] = Field(min_length=1)
    index: tuple[str, ...] = Field(min_length=1)


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
      points: for a trigger, button or pinch; None where a part says enough.
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
    points: FingerParts | None = None

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

    Where the instruction has `points` and both fingers' parts show, thumb and index are asked for points
    there. The object must be the one that `with_named_parts` gave, so that part n is the n-th name.
    Implements `Reasoner`.
    """

    def __init__(
        self, instruction: Instruction, part_names: tuple[str, ...], others: Reasoner, points: bool = True
    ) -> None:
        """Args:
        instruction: the ground truth.
        part_names: of the object's parts, from number 1.
        others: answers view, points (among those on the labelled parts), direction, grasp type and rotation.
        points: whether `instruction.points` counts.
        """
        self.name = f"oracle+{others.name}"
        self.looks = looks(others)
        self._others = others
        self._numbers = {name: k for k, name in enumerate(part_names, start=1)}
        self._of = instruction
        self._points = instruction.points if points else None

    async def ask(self, question: Question[A]) -> Answer[A]:
        """The label, or the other reasoner's answer.

        Raises:
          ReasonerError: no labelled part shows in the view, or the label was refused.
        """
        if question.stage == prompts.Stage.HAND_PART.value:
            said = {"parts": self._shown(question, self._of.hand_parts)}
        elif question.stage == prompts.Stage.FUNC_PART.value:
            said = self._pressed(question) or self._touched(question)
        else:
            return await self._others.ask(question)
        value = question.schema.model_validate({"reasoning": "label", **said})
        return Answer(value, call=label_call(question, self.name))

    def _seen(self, question: Question[Any], names: tuple[str, ...]) -> list[int]:
        numbers = [self._numbers[name] for name in names]
        return [k for k in numbers if str(k) in question.candidates]

    def _shown(self, question: Question[Any], names: tuple[str, ...], refused: int = 0) -> list[int]:
        shown = self._seen(question, names)
        if not shown or len(question.feedback) > refused:
            why = question.feedback[-1] if question.feedback else "none of them shows in the chosen view"
            raise ReasonerError(Status.INVALID_ANSWER, f"labelled part(s) {', '.join(names)}: {why}")
        return shown

    def _touched(self, question: Question[Any]) -> dict[str, Any]:
        shown = self._shown(question, self._of.func_parts, refused=self._points is not None)
        return {"thumb_parts": shown, "index_parts": shown, "needs_points": False}

    def _pressed(self, question: Question[Any]) -> dict[str, Any] | None:
        """None where a finger's part is hidden, or out of reach of the hand's."""
        if self._points is None or question.feedback:
            return None
        thumb, index = (self._seen(question, names) for names in (self._points.thumb, self._points.index))
        if not thumb or not index:
            return None
        return {
            "thumb_parts": thumb, "thumb_name": f"thumb's {self._points.thumb[0]}",
            "index_parts": index, "index_name": f"index's {self._points.index[0]}", "needs_points": True,
        }  # fmt: skip
