"""Kinds within a kind, told by shape: a comb with a handle, a lamp with a thin stem, one barrel of two."""

from __future__ import annotations

import numpy as np

from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart
from zdg_jax.reasoning.rules.affordances import AffordanceTable, Rule
from zdg_jax.reasoning.rules.roles import assign_roles, grip_size
from zdg_jax.reasoning.rules.scoring import centroid

Roles = dict[str, tuple[int, ...]]
#: Thinner than that, metres, a stem lies in a fist; what is thicker is wrapped.
_THIN = 0.035
#: A bow is so near over the body's middle, as a share of the thing's width, and so high in it (0 its middle,
#: 1 its top). What is as tall, metres, hangs from the arm and is not lifted from above, as a lid.
_OVER, _TOP, _HANGS = 0.15, 0.3, 0.18
#: Two barrels are so much of each other's length and no less surface than that.
_ALIKE, _BARREL = 0.7, 0.1


def by_shape(
    rule: Rule, roles: tuple[str, ...], family: str, intent: str, obj: ObservedObject, table: AffordanceTable
) -> tuple[Rule, tuple[str, ...]]:
    """The rule and roles for what the shape says besides the kind.

    Args:
      rule, roles: of the kind.
      family, intent: of the thing and the task.
      obj: the object's numbers, metres, y up.
      table: where the other rules are.
    """
    if family == "comb" and intent != "handover":
        other = table.families["handled_comb"]
        if "tang" in assign_roles(obj, other.roles, table.roles):
            return other.rules["use"], other.roles
    hanging = table.families["hanging"]
    if family == "handled_vessel" and intent != "handover" and _bail(obj):
        return hanging.rules["use" if intent == "use" else "move"], hanging.roles
    lifted = family == "top_handle" and intent == "move" and rule.approach.get("up", 0.0) > 0
    if lifted and obj.extents[1] > _HANGS:
        return hanging.rules["move"].model_copy(update={"hold": rule.hold}), roles
    return rule, roles


def by_parts(rule: Rule, roles: Roles, obj: ObservedObject) -> tuple[Rule, Roles]:
    """The rule for the parts that play its roles: `take: right` names one of two, a thin stem is no body.

    Args:
      rule: of the thing.
      roles: role -> part numbers, best first.
      obj: the object's numbers, metres, y up.
    """
    by = {p.number: p for p in obj.parts}
    column = roles.get("column", ()) if rule.hold[0] == "column" else ()
    if column and grip_size(by[column[0]]) < _THIN:
        rule = rule.model_copy(update={"grasp": "handle-grasp"})
    if rule.take != "right":
        return rule, roles
    ahead = [by[n] for r in rule.toward for n in roles.get(r, ())]
    one = _right_of([by[n] for r in rule.held for n in roles.get(r, ())], ahead)
    if one is None:
        return rule.model_copy(update={"take": "all"}), roles
    own = tuple(p.number for p in ahead if p.number in one.neighbours)
    more = {"right_one": (one.number,)} | ({"before_it": own} if own else {})
    held = ("right_one", *rule.hold)
    toward = ("before_it",) if own else rule.toward
    return rule.model_copy(update={"take": "best", "hold": held, "toward": toward}), roles | more


def _bail(obj: ObservedObject) -> bool:
    """Whether a vessel's only handle is a bow over it, as some kettles'."""
    body = max(obj.parts, key=lambda p: p.area_share)
    wide = max(obj.extents[0], obj.extents[2])
    loops = [p for p in obj.parts if p.is_loop and not p.concave and p is not body]

    def over(p: ObservedPart) -> bool:
        aside = np.hypot(p.center[0] - body.center[0], p.center[2] - body.center[2])
        return bool(aside < _OVER * wide and p.relative_center[1] > _TOP)

    return bool(loops) and all(map(over, loops))


def _right_of(held: list[ObservedPart], ahead: list[ObservedPart]) -> ObservedPart | None:
    """Of two like bars side by side the right one for who looks along them towards `ahead`."""
    if len(held) != 2 or not ahead or min(p.area_share for p in held) < _BARREL:
        return None
    lengths = sorted(p.extents[0] for p in held)
    if lengths[0] < _ALIKE * lengths[1] or min(p.elongation for p in held) < 1.2:
        return None
    middle = 0.5 * (np.array(held[0].center) + np.array(held[1].center))
    axis = np.array(held[0].axis)
    look = np.sign((centroid(tuple(ahead)) - middle) @ axis) * axis
    right = np.cross(look, [0.0, 1.0, 0.0])
    beside = [float((np.array(p.center) - middle) @ right) for p in held]
    return None if abs(beside[0] - beside[1]) < 0.02 else held[int(np.argmax(beside))]
