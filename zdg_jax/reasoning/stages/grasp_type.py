"""Which grasp type the fingers take (paper III-B)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from prompts.schemas import GraspTypeAnswer
from zdg_jax.hands.grasp_types import offered_types
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.evidence import observed_region
from zdg_jax.reasoning.protocol import Question, RegionObservations, Vec3, vec3
from zdg_jax.reasoning.query import Query, Stage
from zdg_jax.reasoning.rules.roles import plateau, ramp
from zdg_jax.reasoning.rules.scoring import held_region
from zdg_jax.reasoning.rules.task_plan import Plan, after_refusals, intro, planned
from zdg_jax.reasoning.stages.direction import MARKED
from zdg_jax.reasoning.state import ReasonState

TYPES = "05_grasp_types.png"
_FROM_TABLE = 1.0
#: Of a region smaller than this a hand can't wrap much, metres: then size may overrule the table.
_SMALL = 0.035
#: Two levers that stand so far apart, metres, are no handle: the open hand goes around both.
_WIDE, _LENGTHWISE = 0.06, 0.7


class GraspTypeObservations(RegionObservations):
    """Grasp types of the hand card."""

    direction: str
    direction_vector: Vec3
    region_thickness: float


class GraspType(Stage[GraspTypeAnswer]):
    """Candidates are the grasp types of the hand's card."""

    name, noun, answer, observations = "grasp_type", "grasp type", GraspTypeAnswer, GraspTypeObservations
    needs, gives = ("direction", "direction_vector"), ("grasp_type",)

    def build_query(self, state: ReasonState) -> Query[GraspTypeAnswer]:
        kinds = offered_types(state.hand.grasp_types, state.config.types)
        vector = state.direction_vector
        assert vector is not None
        looked_at = state.looked_at(self.name)
        if looked_at:
            state.show(TYPES, lambda: pictures.grasp_types(state.hand, tuple(kinds)))
        return self.query(
            state,
            candidates=tuple(kinds),
            pictures=(MARKED, TYPES) if looked_at else (MARKED,),
            values={
                **state.chosen_parts(),
                "direction": state.direction,
                "region_cm": " x ".join(f"{100 * size:.1f}" for size in state.region.extents),
                "grasp_types": [{"name": n, "description": kind.description} for n, kind in kinds.items()],
            },
            observed=lambda of: {
                **state.chosen_parts(),
                **observed_region(of),
                "direction": state.direction,
                "direction_vector": vec3(vector),
                "region_thickness": of.thickness,
            },
        )

    def take(self, state: ReasonState, answer: GraspTypeAnswer) -> None:
        state.grasp_type = answer.grasp_type

    def answer_by_rules(self, question: Question[Any]) -> GraspTypeAnswer:
        """The table's grasp type, checked against the size of the region."""
        observed, plan = planned(question, GraspTypeObservations)
        scores = grasp_scores(observed, plan, question.candidates)
        order = {c: k for k, c in enumerate(question.candidates)}
        # Types that a card adds and this table does not know come last.
        ranking = sorted(order, key=lambda c: (-scores.get(c, -1.0), order[c]))
        best = after_refusals(ranking, question.feedback, question.stage)
        size = " x ".join(f"{100 * e:.1f}" for e in observed.region_extents)
        text = (
            f"{intro(plan)} The held region measures {size} cm and is "
            f"{100 * observed.region_thickness:.1f} cm thick; {best} suits it "
            f"(score {scores.get(best, -1.0):.2f})."
        )
        return GraspTypeAnswer(reasoning=text, grasp_type=best)


def grasp_scores(observed: GraspTypeObservations, plan: Plan, offered: tuple[str, ...]) -> dict[str, float]:
    """1 for the table's type, plus how well the region's size suits each type, 0..0.9.

    The table's finer type stands for its paper's where it is offered; then a wrap of what is too small to be
    wrapped counts half. A type that `SUITS` does not know comes last.
    """
    rule = plan.rule
    wanted = rule.finer if rule.finer in offered else rule.grasp
    misfits = (
        "pinch" in offered and wanted in ("wrap-grasp", "sphere") and observed.region_extents[0] < _SMALL
    )
    if rule.take == "long" and wanted == "handle-grasp" and _across(observed, plan) > _WIDE:
        wanted = "wrap-grasp"
    table = 0.5 * _FROM_TABLE if misfits else _FROM_TABLE
    return {kind: suits(observed) + (table if kind == wanted else 0.0) for kind, suits in SUITS.items()}


def _across(observed: GraspTypeObservations, plan: Plan) -> float:
    """How wide the region is square to the line to its jaws, metres; 0 where these are no parts.

    Pliers in two halves, each from tip to grip, are narrow where they are held.
    """
    jaws = plan.parts_of(plan.rule.toward)
    ref = held_region(observed, jaws).ref if jaws else None
    if ref is None:
        return 0.0
    along = abs(float(ref @ np.array(observed.region_axis)))
    return observed.region_extents[1 if along > _LENGTHWISE else 0]


#: How well a region suits a grasp type, 0 to 0.9. Its second extent: a bar of 1-4 cm suits handle-grasp, 4-9
#: cm wrap-grasp; its third: under 1.5 cm lift; its first: under 2 cm pinch. The others only ever come from
#: the table of tasks.
SUITS: dict[str, Callable[[GraspTypeObservations], float]] = {
    "handle-grasp": lambda seen: 0.9 * plateau(seen.region_extents[1], 0.004, 0.012, 0.040, 0.060),
    "wrap-grasp": lambda seen: 0.9 * plateau(seen.region_extents[1], 0.025, 0.045, 0.090, 0.140),
    "press": lambda seen: 0.0,
    "lift": lambda seen: 0.9 * max(1 - ramp(seen.region_extents[2], 0.008, 0.02), 0.3),
    "twist": lambda seen: 0.0,
    "tripod": lambda seen: 0.0,
    "pinch": lambda seen: 0.95 * (1 - ramp(seen.region_extents[0], 0.020, 0.035)),
    "index-extension": lambda seen: 0.0,
    "lateral": lambda seen: 0.0,
    "hook": lambda seen: 0.0,
    "index-trigger": lambda seen: 0.0,
    "sphere": lambda seen: 0.0,
}
