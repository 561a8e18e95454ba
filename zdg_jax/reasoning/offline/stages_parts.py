"""Answers of the view stage and of the two part stages (paper III-A)."""

from __future__ import annotations

import numpy as np

from prompts.schemas import FuncPartAnswer, HandPartAnswer, ViewAnswer
from zdg_jax.reasoning.directions import candidate_directions
from zdg_jax.reasoning.facts import ObjectFacts, PartChoiceFacts, ViewFacts
from zdg_jax.reasoning.offline.geometry import centroid, region_of, score, terms_of
from zdg_jax.reasoning.offline.plan import Plan, make_plan
from zdg_jax.reasoning.offline.ranking import after_refusals
from zdg_jax.reasoning.offline.text import intro, part_line
from zdg_jax.reasoning.protocol import Question, ReasonerError
from zdg_jax.render.cameras import Camera


def touch_parts(plan: Plan, hand_parts: tuple[int, ...]) -> tuple[int, ...]:
    """Parts for thumb and index: every touched role that is present; "hold" means the hand's own."""
    made: list[int] = []
    for role in plan.rule.touch:
        made += hand_parts if role == "hold" else plan.roles.get(role, ())[:1]
    return tuple(dict.fromkeys(made)) or hand_parts


def _has_special_touch(plan: Plan) -> bool:
    return any(role != "hold" and role in plan.roles for role in plan.rule.touch)


def approach_scores(facts: ViewFacts, plan: Plan, held: tuple[int, ...]) -> list[float]:
    """Per view: how well the best of its 18 directions (paper III-B) fits the rule's approach.

    "left" and "right" are level in every view, "front" and "behind" only as far as the camera is: what is
    to be approached from the side should therefore stand at the side of the picture.
    """
    by = {p.number: p for p in facts.object.parts}
    parts = tuple(by[n] for n in held)
    center = centroid(parts)
    x, y, z = center.tolist()
    largest = max(parts, key=lambda p: p.area_share)
    region = region_of(
        facts.object, held, plan.parts_of(plan.rule.toward), (x, y, z), largest.axis, largest.extents
    )
    terms = terms_of(region)
    scores = []
    for front in facts.view_front:
        camera = Camera(center + np.array(front), np.eye(3), 1.0, 1, 1)
        options = candidate_directions(center, camera).values()
        scores.append(max(score(plan.rule.approach, terms, d) for d in options))
    return scores


def view_scores(facts: ViewFacts, plan: Plan) -> list[float]:
    """Per view, against the best view: how much of the parts to hold shows, half of that for the parts to
    touch, a tenth for the whole object, and thrice how far the wanted approach is among its directions."""
    held = plan.holds[0]
    groups = [(1.0, held), (0.5, touch_parts(plan, held)), (0.1, tuple(p.number for p in facts.object.parts))]
    scores = [0.0] * len(facts.visible_pixels)
    for weight, numbers in groups:
        seen = [sum(view.get(n, 0) for n in numbers) for view in facts.visible_pixels]
        most = max(seen) or 1
        scores = [s + weight * k / most for s, k in zip(scores, seen, strict=True)]
    fits = approach_scores(facts, plan, held)
    return [s + 3 * (fit - max(fits)) for s, fit in zip(scores, fits, strict=True)]


def answer_view(question: Question[ViewAnswer]) -> ViewAnswer:
    """The view that shows most of what is to be held."""
    facts = question.facts
    assert isinstance(facts, ViewFacts)
    plan = make_plan(facts.task, facts.object_name, facts.object)
    scores = view_scores(facts, plan)
    ranking = sorted(range(min(len(question.candidates), len(scores))), key=lambda i: (-scores[i], i))
    best = after_refusals(ranking, question.feedback, question.stage)
    held = plan.holds[0]
    pixels = sum(facts.visible_pixels[best].get(n, 0) for n in held)
    text = (
        f"{intro(plan)} {plan.rule.why.capitalize()}. View {question.candidates[best]} shows {pixels} pixels "
        f"of part(s) {', '.join(map(str, held))}, score {scores[best]:.2f} of {max(scores):.2f}."
    )
    return ViewAnswer(reasoning=text, view=int(question.candidates[best]))


def _offered(question: Question) -> frozenset[int]:
    return frozenset(int(c) for c in question.candidates)


def _within(sets: list[tuple[int, ...]], offered: frozenset[int]) -> list[tuple[int, ...]]:
    """Part sets cut down to the candidates, without empty ones and repetitions."""
    cut = [tuple(n for n in s if n in offered) for s in sets]
    return list(dict.fromkeys(s for s in cut if s))


def answer_hand_part(question: Question[HandPartAnswer]) -> HandPartAnswer:
    """The part(s) that play the role which the rule holds; graspable others after refusals."""
    facts = question.facts
    assert isinstance(facts, PartChoiceFacts)
    plan = make_plan(facts.task, facts.object_name, facts.object)
    ranking = _within(list(plan.holds), _offered(question))
    parts = after_refusals(ranking, question.feedback, question.stage)
    return HandPartAnswer(reasoning=_say(plan, facts.object, parts), parts=list(parts))


def answer_func_part(question: Question[FuncPartAnswer]) -> FuncPartAnswer:
    """The trigger or cap that the rule names, together with the hand's part; else the hand's part alone."""
    facts = question.facts
    assert isinstance(facts, PartChoiceFacts)
    plan = make_plan(facts.task, facts.object_name, facts.object)
    offered = _offered(question)
    hand = facts.hand_parts or plan.holds[0]
    first = touch_parts(plan, hand)
    singles = [(n,) for n in first] + [(n,) for n in hand] + [(p.number,) for p in facts.object.parts]
    ranking = _within([first, hand, *singles], offered)
    if not ranking:
        raise ReasonerError("exhausted", f"{question.stage}: no part is offered")
    parts = after_refusals(ranking, question.feedback, question.stage)
    # One exact spot matters only where a trigger of its own was found.
    points = plan.rule.points and _has_special_touch(plan) and parts == ranking[0]
    return FuncPartAnswer(reasoning=_say(plan, facts.object, parts), parts=list(parts), needs_points=points)


def _say(plan: Plan, obj: ObjectFacts, parts: tuple[int, ...]) -> str:
    lines = " ".join(part_line(n, obj, plan) for n in parts)
    return f"{intro(plan)} {plan.rule.why.capitalize()}. {lines}"
