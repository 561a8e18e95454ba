"""Answer of the grasp-type stage (paper III-B)."""

from __future__ import annotations

from prompts.schemas import GraspTypeAnswer
from zdg_jax.reasoning.facts import GraspTypeFacts
from zdg_jax.reasoning.offline.plan import Plan, make_plan
from zdg_jax.reasoning.offline.ranking import after_refusals
from zdg_jax.reasoning.offline.shape import plateau, ramp
from zdg_jax.reasoning.offline.text import intro
from zdg_jax.reasoning.protocol import Question

_FROM_TABLE = 1.0


def grasp_scores(facts: GraspTypeFacts, plan: Plan) -> dict[str, float]:
    """1 for the table's type, plus how well the region's size suits each type, 0..0.9.

    A size g = the region's second extent: a bar of 1-4 cm suits handle-grasp, 4-9 cm wrap-grasp, under
    1.5 cm lift; press and twist only ever come from the table.
    """
    g = facts.region_extents[1]
    suits = {
        "handle-grasp": 0.9 * plateau(g, 0.004, 0.012, 0.040, 0.060),
        "wrap-grasp": 0.9 * plateau(g, 0.025, 0.045, 0.090, 0.140),
        "lift": 0.9 * max(1 - ramp(facts.region_extents[2], 0.008, 0.02), 0.3),
    }
    return {
        kind: suits.get(kind, 0.0) + (_FROM_TABLE if kind == plan.rule.grasp else 0.0)
        for kind in ("handle-grasp", "wrap-grasp", "press", "lift", "twist")
    }


def answer_grasp_type(question: Question[GraspTypeAnswer]) -> GraspTypeAnswer:
    """The table's grasp type, checked against the size of the region."""
    facts = question.facts
    assert isinstance(facts, GraspTypeFacts)
    plan = make_plan(facts.task, facts.object_name, facts.object)
    scores = grasp_scores(facts, plan)
    order = {c: k for k, c in enumerate(question.candidates)}
    # Types that a card adds and this table does not know come last.
    ranking = sorted(order, key=lambda c: (-scores.get(c, -1.0), order[c]))
    best = after_refusals(ranking, question.feedback, question.stage)
    size = " x ".join(f"{100 * e:.1f}" for e in facts.region_extents)
    text = (
        f"{intro(plan)} {plan.rule.why.capitalize()}. The held region measures {size} cm and is "
        f"{100 * facts.region_thickness:.1f} cm thick; {best} suits it (score {scores.get(best, -1.0):.2f})."
    )
    return GraspTypeAnswer(reasoning=text, grasp_type=best)
