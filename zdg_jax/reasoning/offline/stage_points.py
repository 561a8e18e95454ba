"""Answer of the point stage (paper III-A), chosen by the geometry that eq. 5 checks."""

from __future__ import annotations

import numpy as np

from prompts.schemas import PointsAnswer
from zdg_jax.reasoning.facts import PointFacts
from zdg_jax.reasoning.offline.geometry import centroid, region_of, unit
from zdg_jax.reasoning.offline.plan import Plan, make_plan
from zdg_jax.reasoning.offline.ranking import after_refusals
from zdg_jax.reasoning.offline.shape import plateau
from zdg_jax.reasoning.offline.text import intro
from zdg_jax.reasoning.protocol import Question


def force_cosines(facts: PointFacts, thumb: int, index: int) -> tuple[float, float]:
    """cos of eq. 5 for both fingers: n_k . F_k / |F_k|, F_thumb = P_thumb - P_index = -F_index (eq. 4)."""
    force = unit(np.array(facts.points[thumb]) - np.array(facts.points[index]))
    if force is None:
        return (-1.0, -1.0)
    n_thumb, n_index = (np.array(facts.normals[k]) for k in (thumb, index))
    return float(n_thumb @ force), float(-n_index @ force)


def _semantic(facts: PointFacts, plan: Plan, thumb: int, index: int) -> float:
    """Index near the trigger and on its forward side; the thumb behind it, and both level with each other."""
    named = tuple(r for r in plan.rule.touch if r != "hold")
    spots = tuple(p for p in facts.object.parts if p.number in plan.parts_of(named))
    p_thumb, p_index = np.array(facts.points[thumb]), np.array(facts.points[index])
    if not spots:
        return 0.0
    target = centroid(spots)
    hand = tuple(p for p in facts.object.parts if p.number in facts.hand_parts)
    x, y, z = centroid(hand).tolist() if hand else facts.object.center
    region = region_of(facts.object, facts.hand_parts, plan.parts_of(plan.rule.toward), (x, y, z), None, None)
    forward = region.forward
    size = max(max(p.extents) for p in spots)
    near = float(np.exp(-np.linalg.norm(p_index - target) / max(size, 0.01)))
    ahead = (
        0.0 if forward is None else float((unit(p_index - p_thumb) if thumb != index else forward) @ forward)
    )
    return near + 0.5 * ahead


def answer_points(question: Question[PointsAnswer]) -> PointsAnswer:
    """The pair with opposed normals (eq. 5) and a span of 1-8 cm whose index point lies on the trigger."""
    facts = question.facts
    assert isinstance(facts, PointFacts)
    plan = make_plan(facts.task, facts.object_name, facts.object)
    numbers = sorted(set(facts.points) & {int(c) for c in question.candidates})
    ranked: list[tuple[float, int, int]] = []
    for thumb in numbers:
        for index in numbers:
            if thumb == index:
                continue
            span = float(np.linalg.norm(np.array(facts.points[thumb]) - np.array(facts.points[index])))
            opposed = min(force_cosines(facts, thumb, index))
            reach = plateau(span, 0.003, 0.012, 0.08, 0.12)
            value = 1.5 * min(opposed, 0.85) + reach + _semantic(facts, plan, thumb, index)
            ranked.append((value, thumb, index))
    ranked.sort(key=lambda r: (-r[0], r[1], r[2]))
    _, thumb, index = after_refusals(ranked, question.feedback, question.stage)
    cos_thumb, cos_index = force_cosines(facts, thumb, index)
    span = float(np.linalg.norm(np.array(facts.points[thumb]) - np.array(facts.points[index])))
    text = (
        f"{intro(plan)} {plan.rule.why.capitalize()}. Thumb on {thumb} and index on {index} lie "
        f"{100 * span:.1f} cm apart and press against each other: the cosines to the outward normals are "
        f"{cos_thumb:.2f} and {cos_index:.2f}."
    )
    return PointsAnswer(reasoning=text, thumb=thumb, index=index)
