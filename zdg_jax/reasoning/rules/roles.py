"""Parts as numbers of 0..1, the roles they play, and which family of shapes an object looks like."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from zdg_jax.reasoning.observations import ObservedObject, ObservedPart
from zdg_jax.reasoning.rules.affordances import FEATURES, Role


def ramp(x: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, linear between."""
    return min(max((x - low) / (high - low), 0.0), 1.0)


def plateau(x: float, a: float, b: float, c: float, d: float) -> float:
    """1 on b..c, 0 outside a..d, linear between."""
    return min(ramp(x, a, b), 1.0 - ramp(x, c, d))


def upright(obj: ObservedObject) -> float:
    """How far the object's longest axis stands up: |long_axis . y|."""
    return abs(obj.long_axis[1])


def lean(obj: ObservedObject) -> float:
    """Height over the larger horizontal size."""
    return obj.extents[1] / max(obj.extents[0], obj.extents[2], 1e-9)


def spread(part: ObservedPart, obj: ObservedObject) -> float:
    """Size of a part across the object's longest axis, metres: sqrt of the summed squared projections."""
    along = abs(float(np.dot(part.axis, obj.long_axis)))
    return math.hypot(part.extents[0] * math.sqrt(max(0.0, 1 - along**2)), part.extents[1] * along)


def grip_size(part: ObservedPart) -> float:
    """What a hand has to close around, metres: mean of the two smaller extents; of a loop, its bar."""
    size = 0.5 * (part.extents[1] + part.extents[2])
    return min(size, max(part.thickness, part.extents[2])) if part.is_loop else size


def graspable(part: ObservedPart) -> float:
    """1 for a bar of 1.4-4.5 cm that is at least 7 cm long, 0 for what a hand can't close around."""
    return plateau(grip_size(part), 0.006, 0.014, 0.045, 0.075) * ramp(part.extents[0], 0.03, 0.07)


def solid(part: ObservedPart) -> float:
    """1 for a bar that is as thick as it is high, 0 for bristles, tines or a shell, which only look like one."""
    return ramp(part.thickness / max(part.extents[2], 1e-4), 0.25, 0.6)


def _out(part: ObservedPart) -> float:
    """How far a part lies to the side, 0 at the middle, 1 at the object's border."""
    return max(abs(part.relative_center[0]), abs(part.relative_center[2]))


_ASIDE = 0.015  # metres; less than this is no distance from an axis


def _aside(obj: ObservedObject, main: ObservedPart) -> dict[int, float]:
    """Distance of every part's centre from the axis line of the bulkiest part, over the greatest one."""
    axis = np.array(main.axis)
    distance = {}
    for p in obj.parts:
        offset = np.array(p.center) - np.array(main.center)
        distance[p.number] = float(np.linalg.norm(offset - (offset @ axis) * axis))
    most = max(max(distance.values()), _ASIDE)
    return {n: d / most for n, d in distance.items()}


def _apart(obj: ObservedObject) -> dict[int, float]:
    """Distance of every part's centre from that of the most handle-like part, over the greatest one."""
    grip = max(
        obj.parts,
        key=lambda p: (
            graspable(p) * ramp(p.elongation, 1.2, 3.0) * min(p.area_share, 0.2) * (0.5 + 0.5 * solid(p))
        ),
    )
    distance = {p.number: math.dist(p.center, grip.center) for p in obj.parts}
    most = max(max(distance.values()), 1e-9)
    return {n: d / most for n, d in distance.items()}


def features(obj: ObservedObject) -> dict[int, dict[str, float]]:
    """Features of every part (the names in affordances.FEATURES), 0..1 each.

    Args:
      obj: the object's numbers, metres, +y up.

    Returns:
      part number -> feature -> value.
    """
    widest = max(spread(p, obj) for p in obj.parts)
    bulk = {p.number: p.area_share * max(p.thickness, 1e-4) for p in obj.parts}
    heaviest = max(bulk.values())
    apart = _apart(obj)
    shares = {p.number: p.area_share for p in obj.parts}
    aside = _aside(obj, max(obj.parts, key=lambda p: bulk[p.number]))
    rows: dict[int, dict[str, float]] = {}
    for p in obj.parts:
        y = p.relative_center[1]
        size = grip_size(p)
        row = {
            "elongated": ramp(p.elongation, 1.2, 3.0),
            "flat": ramp(p.flatness, 1.5, 4.0),
            "thin": 1.0 - ramp(p.thickness, 0.004, 0.012),
            "slender": 1.0 - ramp(size, 0.008, 0.025),
            "graspable": graspable(p),
            "at_end": 1.0 - float(np.clip(p.end_distance, 0, 1)),
            "large": ramp(p.area_share, 0.15, 0.5),
            "small": 1.0 - ramp(p.area_share, 0.03, 0.25),
            "heavy": bulk[p.number] / heaviest,
            "wide": spread(p, obj) / max(widest, 1e-9),
            "along": abs(float(np.dot(p.axis, obj.long_axis))),
            "high": ramp(y, -0.5, 0.9),
            "low": ramp(-y, -0.5, 0.9),
            "outlying": ramp(_out(p), 0.25, 0.75),
            "aside": ramp(aside[p.number], 0.3, 0.8),
            "patch": ramp(p.thickness / max(p.extents[1], 1e-4), 1.0, 1.6),
            "apart": apart[p.number],
            "between": ramp(float(sum(shares.get(n, 0.0) > 0.04 for n in p.neighbours)), 1.0, 2.0),
            "loop": float(p.is_loop),
            "tall_hole": ramp(p.hole_diameter, 0.02, 0.06),
            "concave": float(p.concave),
        }
        assert tuple(row) == FEATURES
        rows[p.number] = row
    return rows


def _bow(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is a bow or bar over the rest, as a bucket's, whose hole is the bucket's own opening."""
    _, y, _ = part.relative_center
    if part.concave or part.is_loop or part.area_share > 0.15 or grip_size(part) > 0.08:
        return 0.0
    span = part.extents[0] / max(obj.extents[0], obj.extents[2])
    return (
        ramp(y, 0.5, 0.7)
        * (1.0 - ramp(_out(part), 0.2, 0.4))
        * (1.0 - ramp(abs(part.axis[1]), 0.2, 0.4))
        * ramp(part.elongation, 1.4, 1.8)
        * ramp(span, 0.3, 0.5)
        * solid(part)
    )


def _stem(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is a thin upright stem between a foot and what it carries."""
    y = part.center[1]
    if part.concave or part.is_loop or abs(part.axis[1]) < 0.9 or grip_size(part) > 0.03:
        return 0.0
    wide = [p.center[1] for p in obj.parts if p is not part and spread(p, obj) > 2.0 * grip_size(part)]
    between = any(c < y for c in wide) and any(c > y for c in wide)
    return float(between) * ramp(part.elongation, 1.5, 2.5) * ramp(part.extents[0], 0.025, 0.04)


def _hook(part: ObservedPart, obj: ObservedObject) -> float:
    """How much a part is a bent bar at one end that stands out of the thing's line, as a cane's handle."""
    off = np.array(part.center) - np.array(max(obj.parts, key=lambda p: p.area_share).center)
    off -= (off @ np.array(obj.long_axis)) * np.array(obj.long_axis)
    if part.concave or part.is_loop:
        return 0.0
    return (
        ramp(float(np.linalg.norm(off)), 0.01, 0.02)
        * graspable(part)
        * ramp(part.extents[1] / max(part.thickness, 1e-4), 1.5, 2.2)
        * ramp(1.0 - part.end_distance, 0.6, 0.8)
        * (1.0 - ramp(part.area_share, 0.1, 0.2))
        * solid(part)
    )


def _side_by_side(p: ObservedPart, q: ObservedPart, obj: ObservedObject) -> float:
    """How much two bars are the two levers of one tool: of a length, next to each other, apart by a finger."""
    along = np.array(obj.long_axis)
    line = np.array(p.center) - np.array(q.center)
    shift = abs(float(line @ along))
    gap = float(np.linalg.norm(line - (line @ along) * along))
    longer, shorter = max(p.extents[0], q.extents[0]), min(p.extents[0], q.extents[0])
    return (
        ramp(shorter / longer, 0.5, 0.75)
        * (1.0 - ramp(shift / longer, 0.25, 0.5))
        * ramp(gap / max(p.thickness, q.thickness, 1e-4), 1.2, 2.0)
        * (1.0 - ramp(gap, 0.08, 0.12))
        * ramp(min(p.area_share, q.area_share), 0.08, 0.15)
        * solid(p)
        * solid(q)
    )


def family_fit(obj: ObservedObject) -> dict[str, float]:
    """How well the whole shape agrees with each family, 0..1; a family not listed is neutral (0.3).

    Round and tall, flat and wide, long and thin are read off the principal extents e0 >= e1 >= e2; loops and
    cavities off the parts.
    """
    e0, e1, e2 = obj.principal_extents
    long, disc = e0 / max(e1, 1e-9), e1 / max(e2, 1e-9)
    parts = obj.parts
    loops = [p for p in parts if p.is_loop and p.hole_diameter > 0.012 and not p.concave]
    cavity = any(p.concave for p in parts)
    loop_out = max((_out(p) for p in loops), default=0.0)
    on_top = max(
        (ramp(p.relative_center[1], 0.3, 0.6) * (1.0 - ramp(_out(p), 0.3, 0.6)) for p in loops), default=0.0
    )
    on_top = max([on_top, *(_bow(p, obj) for p in parts)])
    elongated, flat = ramp(long, 1.5, 2.5), ramp(disc, 2.5, 5.0)
    round_ = 1.0 - ramp(long, 1.15, 1.5)
    widths = [spread(p, obj) for p in parts if p.area_share > 0.07] or [1.0]
    ends = 1.0 - min(widths) / max(max(widths), 1e-9)
    # what stands and is taller than any bottle, a broom say, is a stick all the same
    stands = ramp(upright(obj), 0.7, 0.95) * (1.0 - ramp(e0, 0.4, 0.6))
    blade = max(
        ramp(p.extents[1] / max(p.thickness, 1e-4), 2.0, 5.0)
        * (1 - ramp(p.thickness, 0.004, 0.008))
        * ramp(p.elongation, 1.5, 3.0)
        * (1 - ramp(p.extents[1], 0.04, 0.07))
        * ramp(p.area_share, 0.05, 0.15)
        for p in parts
    )
    small_hand = 1.0 - ramp(e0, 0.05, 0.09)
    solid = [p for p in parts if p.area_share > 0.12 and p.thickness > 0.015 and p.elongation > 1.25]
    bent = max((1 - abs(float(np.dot(p.axis, q.axis))) for p in solid for q in solid), default=0.0)
    levers = [p for p in parts if p.elongation > 2.5 and p.area_share > 0.05 and graspable(p) > 0.3]
    fork = max((1 - abs(float(np.dot(p.axis, q.axis))) for p in levers for q in levers), default=0.0)
    pair = max((_side_by_side(p, q, obj) for p in levers for q in levers if p.number < q.number), default=0.0)
    stemmed = max(_stem(p, obj) for p in parts)
    # a saucepan is as deep as it likes: a bar that sticks out of a dish of more than a ladle's size
    dish = max((ramp(p.extents[1], 0.10, 0.13) for p in parts if p.concave), default=0.0)
    bar = max(
        (
            graspable(p)
            * ramp(p.elongation, 2.0, 3.5)
            * ramp(_out(p), 0.3, 0.55)
            * (1 - ramp(p.area_share, 0.2, 0.3))
            for p in parts
            if not p.is_loop and not p.concave and abs(p.axis[1]) < 0.7
        ),
        default=0.0,
    )
    x, _, z = obj.extents
    turned = 1.0 - ramp(max(x, z) / max(min(x, z), 1e-9), 1.1, 1.3)
    lies = 1.0 - ramp(lean(obj), 0.35, 0.7)
    return {
        "stick_tool": elongated * (0.4 + 0.6 * ends) * (1.0 - stands) * (1.0 - 0.3 * blade),
        "rod": elongated * (1.0 - 0.8 * ends) * (1.0 - stands) * (1.0 - 0.7 * blade),
        "blade_tool": 0.95 * elongated * blade * (1.0 - stands),
        "two_loop": float(len(loops) >= 2) * ramp(disc, 1.8, 3.0) * ramp(long, 1.2, 1.8),
        "handled_vessel": ramp(loop_out, 0.4, 0.7)
        * ramp(lean(obj), 0.4, 0.7)
        * (1.0 if cavity else 0.7)
        * (1.0 - 0.5 * on_top),
        "top_handle": 0.9 * on_top,
        "bottle": stands
        * ramp(long, 1.3, 1.8)
        * (0.4 if cavity else 1.0)
        * (0.3 if loops else 1.0)
        * (1.0 - 0.7 * stemmed),
        "cylinder": ramp(lean(obj), 0.6, 0.9)
        * (1.0 - ramp(lean(obj), 1.8, 2.4))
        * turned
        * (1.0 if cavity else 0.8)
        * (0.3 if loops else 1.0)
        * (1.0 - 0.7 * on_top)
        * (1.0 - 0.7 * stemmed),
        "bowl": round_
        * lies
        * (1.0 - ramp(disc, 4.0, 8.0))
        * (1.0 if cavity else 0.4)
        * ramp(disc, 1.2, 1.8),
        "plate": round_ * ramp(disc, 3.5, 6.0) * lies,
        "pistol": lies
        * ramp(bent, 0.2, 0.5)
        * (1.0 - ramp(long, 1.6, 2.5))
        * (0.2 if cavity else 1.0 - small_hand),
        "squeezer": lies
        * max((1.0 - ramp(long, 1.8, 2.6)) * ramp(disc, 1.8, 3.5) * ramp(fork, 0.02, 0.1) * 0.8, 0.95 * pair),
        "spray": stands * ramp(long, 1.8, 2.6) * 0.8 * (1.0 - 0.7 * stemmed),
        "stemmed": stemmed,
        "hooked": 0.95 * elongated * max(_hook(p, obj) for p in parts),
        "pan": max(flat * ramp(long, 1.2, 1.6) * (0.8 if cavity else 0.5), 0.9 * dish * bar),
        "block": (1.0 - elongated) * (1.0 - flat) * (0.3 if cavity else 0.8) * (0.3 if loops else 1.0),
        "small": small_hand,
        "pen": ramp(long, 5.0, 8.0) * (1.0 - ramp(e1, 0.012, 0.025)),
        "device": flat * ramp(long, 1.2, 1.6) * (1.0 - 0.7 * ends),
    }


_MIN_SCORE = 0.55  # below it a further part takes no role of its own
_HAND_WIDTH = 0.14  # metres; longer regions than this tell the hand nothing


def role_score(weights: dict[str, float], row: dict[str, float]) -> float:
    """sum(w f) / sum(w), with 1 - f for features that carry a minus."""
    total = sum(weights.values())
    return sum(w * (1 - row[f[1:]] if f.startswith("-") else row[f]) for f, w in weights.items()) / total


def score_matrix(
    obj: ObservedObject, roles: tuple[str, ...], spec: dict[str, Role]
) -> Float[np.ndarray, "parts roles"]:
    """Score of every part (in the order of `obj.parts`) for every role, 0..1."""
    rows = features(obj)
    return np.array([[role_score(spec[r].weights, rows[p.number]) for r in roles] for p in obj.parts])


def assign_roles(
    obj: ObservedObject, roles: tuple[str, ...], spec: dict[str, Role]
) -> dict[str, tuple[int, ...]]:
    """Gives every role its best part, then every other part its best role.

    First a one-to-one assignment that maximises the summed score (each role at most one part), then the
    parts left over take the role they score highest for, if they score at least 0.55; never a `single` one.

    Args:
      obj: the object's numbers.
      roles: names, the more important first.
      spec: role -> its look.

    Returns:
      role -> part numbers, best first; a role without a part is left out.
    """
    scores = score_matrix(obj, roles, spec)
    share = np.array([p.area_share for p in obj.parts])
    fit = (scores >= [spec[r].least for r in roles]) & (
        share[:, None] >= [spec[r].least_share for r in roles]
    )
    scores = np.where(fit, scores, -1.0)
    rows, cols = linear_sum_assignment(-scores)
    taken = {i: j for i, j in zip(rows.tolist(), cols.tolist(), strict=True) if scores[i, j] >= 0}
    many = np.array([not spec[r].single for r in roles])
    for i in range(len(obj.parts)):
        best = int(np.where(many, scores[i], -1.0).argmax())
        if i not in taken and many[best] and scores[i, best] >= _MIN_SCORE:
            taken[i] = best
    assigned: dict[str, tuple[int, ...]] = {}
    for j, role in enumerate(roles):
        members = range(len(obj.parts)) if spec[role].every else [i for i, k in taken.items() if k == j]
        ranked = sorted(members, key=lambda i: (-scores[i, j], i))
        if ranked:
            assigned[role] = tuple(obj.parts[i].number for i in ranked)
    return assigned


def reach(a: ObservedPart, b: ObservedPart) -> float:
    """Length of two parts together, metres: |c_b - c_a| plus half of each one's extent along that line."""
    line = np.array(b.center) - np.array(a.center)
    length = float(np.linalg.norm(line))
    if length < 1e-9:
        return max(a.extents[0], b.extents[0])
    half = [0.5 * p.extents[0] * max(abs(float(line @ np.array(p.axis))) / length, 0.3) for p in (a, b)]
    return length + sum(half)


def grow(start: int, like: tuple[int, ...], obj: ObservedObject) -> tuple[int, ...]:
    """Adds adjoining parts of the same role to a part while the region stays within a hand's width."""
    by = {p.number: p for p in obj.parts}
    chosen = [start]
    for number in like:
        joins = any(number in by[c].neighbours for c in chosen)
        if number not in chosen and joins and max(reach(by[c], by[number]) for c in chosen) <= _HAND_WIDTH:
            chosen.append(number)
    return tuple(sorted(chosen))
