"""The answer of each stage; the reasoning field comes first so that a model thinks before it picks."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class StageAnswer(BaseModel):
    """Common to all answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reasoning: str = Field(description="Two or three sentences of thought before the choice.")


class ViewAnswer(StageAnswer):
    """Which of the numbered side views shows best where to hold."""

    view: int = Field(description="Number of the chosen view.")


class HandPartAnswer(StageAnswer):
    """Which numbered part(s) the whole hand shall hold (paper III-A)."""

    parts: list[int] = Field(min_length=1, description="Numbers of the part(s) the hand holds.")


class FuncPartAnswer(StageAnswer):
    """Which numbered part(s) the thumb and the index shall touch, and whether exact points matter."""

    thumb_parts: list[int] = Field(min_length=1, description="Numbers of the part(s) that the thumb touches.")
    thumb_name: str = Field(default="", description="What that is, in one to three words.")
    index_parts: list[int] = Field(min_length=1, description="Numbers of the part(s) that the index touches.")
    index_name: str = Field(default="", description="What that is, in one to three words.")
    needs_points: bool = Field(description="True only if the task needs thumb or index at one exact spot.")
    keep_free: list[int] = Field(
        default_factory=list,
        description="Numbers of the parts that no finger may touch or cover, if any.",
    )

    @model_validator(mode="before")
    @classmethod
    def _as_one(cls, given: Any) -> Any:
        """Records from before the fingers were asked apart have `parts` for both, and points if asked for."""
        if not isinstance(given, dict) or "parts" not in given:
            return given
        rest = {key: value for key, value in given.items() if key != "parts"}
        names = {"thumb_name": "thumb's", "index_name": "index's"} if given.get("needs_points") else {}
        return {"thumb_parts": given["parts"], "index_parts": given["parts"], **names, **rest}

    @property
    def parts(self) -> tuple[int, ...]:
        """What either of them touches."""
        return tuple(dict.fromkeys((*self.index_parts, *self.thumb_parts)))

    @property
    def share_a_part(self) -> bool:
        """The paper's criterion for leaving points out: one part for both, by ID and name (III-A)."""
        one_name = self.thumb_name.strip().casefold() == self.index_name.strip().casefold()
        return set(self.thumb_parts) == set(self.index_parts) and one_name


class PointsAnswer(StageAnswer):
    """Which numbered contour points thumb and index shall press (paper III-A)."""

    thumb: int = Field(description="Number of the thumb's point.")
    index: int = Field(description="Number of the index finger's point.")


class DirectionAnswer(StageAnswer):
    """From which side the hand comes (paper III-B)."""

    direction: str = Field(description="One of the listed directions.")
    any_side: bool = Field(default=False, description="True only if every other side would do as well.")


class GraspTypeAnswer(StageAnswer):
    """Which grasp type the fingers take (paper III-B)."""

    grasp_type: str = Field(description="One of the listed grasp types.")


class RotationAnswer(StageAnswer):
    """Which imagined hand rotation is natural (paper III-C)."""

    rotation: int = Field(description="Number of the chosen picture.")


class JudgeAnswer(StageAnswer):
    """How well a finished grasp serves the task, from 1 to 5 (P.Score, paper IV-A)."""

    score: int = Field(ge=1, le=5, description="Whole score from 1 to 5.")


class Stage(StrEnum):
    """What can be asked: the reasoning stages in the order in which the chain runs them, then the judge."""

    VIEW = "view"
    HAND_PART = "hand_part"
    FUNC_PART = "func_part"
    POINTS = "points"
    DIRECTION = "direction"
    GRASP_TYPE = "grasp_type"
    ROTATION = "rotation"
    JUDGE = "judge"


ANSWERS: dict[str, type[StageAnswer]] = {
    Stage.VIEW: ViewAnswer,
    Stage.HAND_PART: HandPartAnswer,
    Stage.FUNC_PART: FuncPartAnswer,
    Stage.POINTS: PointsAnswer,
    Stage.DIRECTION: DirectionAnswer,
    Stage.GRASP_TYPE: GraspTypeAnswer,
    Stage.ROTATION: RotationAnswer,
    Stage.JUDGE: JudgeAnswer,
}
"""The class of each one's answer; what is not here can't be rendered."""

PROMPTS: tuple[str, ...] = tuple(stage.value for stage in Stage)
"""Everything that has a template."""
STAGES: tuple[str, ...] = tuple(name for name in PROMPTS if name != Stage.JUDGE)
"""The stages of the chain; the judge looks at grasps that are done."""
