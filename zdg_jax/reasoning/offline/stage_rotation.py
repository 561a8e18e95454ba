"""Answer of the rotation stage (paper III-C)."""

from __future__ import annotations

import numpy as np

from prompts.schemas import RotationAnswer
from zdg_jax.reasoning.facts import RotationFacts
from zdg_jax.reasoning.offline.geometry import held_region, score, terms_of
from zdg_jax.reasoning.offline.plan import Plan, make_plan
from zdg_jax.reasoning.offline.ranking import after_refusals
from zdg_jax.reasoning.offline.text import intro
from zdg_jax.reasoning.protocol import Question

_OVERLAP = 2.0


def rotation_scores(facts: RotationFacts, plan: Plan) -> dict[int, float]:
    """fingers-terms of D_finger + thumb-terms of the thumb side - 2 overlap, per candidate."""
    region = held_region(facts, plan.parts_of(plan.rule.toward))
    terms = terms_of(region)
    return {
        k: score(plan.rule.fingers, terms, np.array(finger))
        + score(plan.rule.thumb, terms, np.array(facts.thumb_directions[k]))
        - _OVERLAP * facts.overlap.get(k, 0.0)
        for k, finger in facts.finger_directions.items()
    }


def answer_rotation(question: Question[RotationAnswer]) -> RotationAnswer:
    """The imagined hand whose fingers cross the region as the rule asks, thumb on the side it asks."""
    facts = question.facts
    assert isinstance(facts, RotationFacts)
    plan = make_plan(facts.task, facts.object_name, facts.object)
    scores = rotation_scores(facts, plan)
    offered = [int(c) for c in question.candidates if int(c) in scores]
    ranking = sorted(offered, key=lambda k: (-round(scores[k], 9), k))
    best = after_refusals(ranking, question.feedback, question.stage)
    along = abs(float(np.dot(facts.finger_directions[best], facts.region_axis)))
    thumb_up = facts.thumb_directions[best][1]
    text = (
        f"{intro(plan)} {plan.rule.why.capitalize()}. In picture {best} the fingers have cosine {along:.2f} "
        f"to the held region's long axis, the thumb side has cosine {thumb_up:.2f} to up, and "
        f"{100 * facts.overlap.get(best, 0.0):.0f} % of the imagined hand is inside the object; "
        f"its score is {scores[best]:.2f}."
    )
    return RotationAnswer(reasoning=text, rotation=best)
