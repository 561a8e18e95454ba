"""Answer of the direction stage (paper III-B)."""

from __future__ import annotations

import numpy as np

from prompts.schemas import DirectionAnswer
from zdg_jax.reasoning.facts import DirectionFacts
from zdg_jax.reasoning.offline.geometry import held_region, score, terms_of
from zdg_jax.reasoning.offline.plan import Plan, make_plan
from zdg_jax.reasoning.offline.ranking import after_refusals
from zdg_jax.reasoning.offline.shape import ramp
from zdg_jax.reasoning.offline.text import intro
from zdg_jax.reasoning.protocol import Question

# Always: the palm's way must be free; and it should start near a handle, whose centre lies in it (the centre
# of a rim or wall is in the middle of the vessel, where near means nothing).
_BLOCKED, _FAR = 2.5, 0.8
# Fingertips can't lift a wide flat thing (a book) by its face: its edges are out of their span.
_FACE, _SPAN = 2.5, (0.085, 0.11)


def direction_scores(facts: DirectionFacts, plan: Plan) -> dict[str, float]:
    """The rule's terms - 2.5 blocked - 0.8 long ramp(exit distance over the nearest, 0..10 cm), by name.

    Lifting with the fingertips also costs 2.5 wide flat broadside: see `_FACE`.
    """
    region = held_region(facts, plan.parts_of(plan.rule.toward))
    terms = terms_of(region, facts.normal_alignment)
    _, width, depth = facts.region_extents
    face = 0.0
    if plan.rule.grasp == "lift":
        face = _FACE * ramp(width, *_SPAN) * ramp(width / max(depth, 1e-9), 2.0, 3.0)
    broadside = terms.get("broadside", lambda d, label: 0.0)
    nearest = min(facts.exit_distance.values(), default=0.0)
    return {
        name: score(plan.rule.approach, terms, np.array(d), name)
        - face * broadside(np.array(d), name)
        - _BLOCKED * facts.blocked.get(name, 0.0)
        - _FAR * region.long * ramp(facts.exit_distance.get(name, nearest) - nearest, 0.0, 0.10)
        for name, d in facts.directions.items()
    }


def answer_direction(question: Question[DirectionAnswer]) -> DirectionAnswer:
    """The candidate that best fits the rule's approach and is free of other parts."""
    facts = question.facts
    assert isinstance(facts, DirectionFacts)
    plan = make_plan(facts.task, facts.object_name, facts.object)
    scores = direction_scores(facts, plan)
    ranking = sorted((c for c in question.candidates if c in scores), key=lambda c: -round(scores[c], 9))
    best = after_refusals(ranking, question.feedback, question.stage)
    d = np.array(facts.directions[best])
    along = abs(float(d @ np.array(facts.region_axis)))
    text = (
        f"{intro(plan)} {plan.rule.why.capitalize()}. From '{best}' the palm meets the held region with "
        f"normal alignment {facts.normal_alignment.get(best, 0.0):.2f} cosine {along:.2f} to its long axis, "
        f"{100 * facts.blocked.get(best, 0.0):.0f} % of its way is blocked and it starts "
        f"{100 * facts.exit_distance.get(best, 0.0):.1f} cm from the region's centre."
    )
    return DirectionAnswer(reasoning=text, direction=best)
