"""Which part plays which role: a score from weighted features, then one assignment."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from zdg_jax.reasoning.facts import ObjectFacts, PartFacts
from zdg_jax.reasoning.offline.shape import features
from zdg_jax.reasoning.offline.table import Role

_MIN_SCORE = 0.55  # below it a further part takes no role of its own
_HAND_WIDTH = 0.14  # metres; longer regions than this tell the hand nothing


def role_score(weights: dict[str, float], row: dict[str, float]) -> float:
    """sum(w f) / sum(w), with 1 - f for features that carry a minus."""
    total = sum(weights.values())
    return sum(w * (1 - row[f[1:]] if f.startswith("-") else row[f]) for f, w in weights.items()) / total


def score_matrix(
    obj: ObjectFacts, roles: tuple[str, ...], spec: dict[str, Role]
) -> Float[np.ndarray, "parts roles"]:
    """Score of every part (in the order of `obj.parts`) for every role, 0..1."""
    rows = features(obj)
    return np.array([[role_score(spec[r].weights, rows[p.number]) for r in roles] for p in obj.parts])


def assign_roles(
    obj: ObjectFacts, roles: tuple[str, ...], spec: dict[str, Role]
) -> dict[str, tuple[int, ...]]:
    """Gives every role its best part, then every other part its best role.

    First a one-to-one assignment that maximises the summed score (each role at most one part), then the
    parts left over take the role they score highest for, if they score at least 0.55; never a `single` one.

    Args:
      obj: the object's facts.
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
        if i not in taken and scores[i, best] >= _MIN_SCORE:
            taken[i] = best
    made: dict[str, tuple[int, ...]] = {}
    for j, role in enumerate(roles):
        members = range(len(obj.parts)) if spec[role].every else [i for i, k in taken.items() if k == j]
        mine = sorted(members, key=lambda i: (-scores[i, j], i))
        if mine:
            made[role] = tuple(obj.parts[i].number for i in mine)
    return made


def reach(a: PartFacts, b: PartFacts) -> float:
    """Length of two parts together, metres: |c_b - c_a| plus half of each one's extent along that line."""
    line = np.array(b.center) - np.array(a.center)
    length = float(np.linalg.norm(line))
    if length < 1e-9:
        return max(a.extents[0], b.extents[0])
    half = [0.5 * p.extents[0] * max(abs(float(line @ np.array(p.axis))) / length, 0.3) for p in (a, b)]
    return length + sum(half)


def grow(start: int, like: tuple[int, ...], obj: ObjectFacts) -> tuple[int, ...]:
    """Adds adjoining parts of the same role to a part while the region stays within a hand's width."""
    by = {p.number: p for p in obj.parts}
    chosen = [start]
    for number in like:
        joins = any(number in by[c].neighbours for c in chosen)
        if number not in chosen and joins and max(reach(by[c], by[number]) for c in chosen) <= _HAND_WIDTH:
            chosen.append(number)
    return tuple(sorted(chosen))
