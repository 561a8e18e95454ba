"""Words for the reasoning field."""

from __future__ import annotations

from zdg_jax.reasoning.facts import ObjectFacts
from zdg_jax.reasoning.offline.plan import Plan


def intro(plan: Plan) -> str:
    """What the task is taken to mean."""
    doing = {"use": "be used", "handover": "be handed over", "move": "be picked up and moved"}[
        plan.reading.intent
    ]
    verb = f" ('{plan.reading.verb}')" if plan.reading.verb else ""
    return f"The thing ({plan.thing}, {plan.told}; shape agreement {plan.fit:.2f}) is to {doing}{verb}."


def part_line(number: int, obj: ObjectFacts, plan: Plan) -> str:
    """One part in numbers."""
    p = next(p for p in obj.parts if p.number == number)
    size = " x ".join(f"{100 * e:.1f}" for e in p.extents)
    hole = f", with a {100 * p.hole_diameter:.1f} cm hole" if p.is_loop else ""
    return (
        f"Part {number} is its {plan.role_of(number)}: {size} cm, {100 * p.thickness:.1f} cm thick, "
        f"{100 * p.area_share:.0f} % of the surface{hole}."
    )
