"""Parts as numbers of 0..1, and the roles they play."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from zdg_jax.reasoning.protocol import ObservedObject, ObservedPart
from zdg_jax.reasoning.rules.affordances import FEATURES, Role


def ramp(x: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, linear between."""
    return min(max((x - low) / (high - low), 0.0), 1.0)


def plateau(x: float, a: float, b: float, c: float, d: float) -> float:
    """1 on b..c, 0 outside a..d, linear between."""
    return min(ramp(x, a, b), 1.0 - ramp(x, c, d))


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
    """1 for a bar that is as thick as it is high, 0 for bristles, tines or a shell that look like one."""
    return ramp(part.thickness / max(part.extents[2], 1e-4), 0.25, 0.6)


def out(part: ObservedPart) -> float:
    """How far a part lies to the side, 0 at the middle, 1 at the object's border."""
    return max(abs(part.relative_center[0]), abs(part.relative_center[2]))


_WING = 3.0  # a part so flat beside another is a wing of it
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


def _before_crook(obj: ObservedObject, part: ObservedPart, aside: dict[int, float]) -> float:
    """How much a part runs on to one that bends out of the line, as the shaft of an umbrella to its hook."""
    side = math.copysign(1.0, part.axial_position)
    beyond = [aside[q.number] for q in obj.parts if side * q.axial_position > abs(part.axial_position)]
    return max(beyond, default=0.0) - aside[part.number] if beyond else 0.0


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
    head = max(obj.parts, key=lambda p: spread(p, obj))
    widest = spread(head, obj)
    bulk = {p.number: p.area_share * max(p.thickness, 1e-4) for p in obj.parts}
    heaviest = max(bulk.values())
    apart = _apart(obj)
    shares = {p.number: p.area_share for p in obj.parts}
    aside = _aside(obj, max(obj.parts, key=lambda p: bulk[p.number]))
    flats = {p.number for p in obj.parts if p.flatness > _WING}
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
            # at the end away from the widest part
            "butt": ramp(-p.axial_position * float(np.sign(head.axial_position)), 0.4, 0.7),
            "large": ramp(p.area_share, 0.15, 0.5),
            "small": 1.0 - ramp(p.area_share, 0.03, 0.25),
            "heavy": bulk[p.number] / heaviest,
            "wide": spread(p, obj) / max(widest, 1e-9),
            "along": abs(float(np.dot(p.axis, obj.long_axis))),
            "high": ramp(y, -0.5, 0.9),
            "low": ramp(-y, -0.5, 0.9),
            "outlying": ramp(out(p), 0.25, 0.75),
            "aside": ramp(aside[p.number], 0.3, 0.8),
            "before_crook": _before_crook(obj, p, aside),
            "winged": ramp(math.fsum(shares[n] for n in p.neighbours if n in flats), 0.05, 0.2),
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
    scores = given = score_matrix(obj, roles, spec)
    share = np.array([p.area_share for p in obj.parts])
    fit = (scores >= [spec[r].least for r in roles]) & (
        share[:, None] >= [spec[r].least_share for r in roles]
    )
    # what every part plays besides takes no part from another role
    scores = np.where(fit & ~np.array([spec[r].every for r in roles]), scores, -1.0)
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
        ranked = sorted(members, key=lambda i: (-given[i, j], i))
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
