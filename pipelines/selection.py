"""Which of the refined grasps are kept: first by energy, then by simulation (DESIGN §6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

# A kept grasp is called good if it meets all of these, issue-wide (docs/results.md).
LIMITS = {"p_dep_cm": 0.3, "p_vol_cm3": 3.0, "sim_dis_cm": 2.0}
# P.Dep looks at skin vertices only; a finger through a mug's wall shows in the object's points inside it.
PIERCING_CM = 0.3
SHORTLIST = 3  # grasps that a round simulates for every kept one
ROUNDS = 2
# A few dozen grasps of one object are done in C before an accelerator has compiled anything, and what is kept
# does not depend on the machine.
BACKEND = "c"


def shortlist(
    score: Float[np.ndarray, " grasps"], status: Sequence[str], count: int
) -> Int[np.ndarray, " chosen"]:
    """The `count` grasps of least score among those with status "ok"; ties keep their order.

    Args:
      score: energy of eq. 8 plus drift from the reasoned pose, `RefinedGrasps.score`.
      status: one a grasp.
      count: at most so many.
    Returns: indices, least score first.
    """
    order = np.argsort(score, kind="stable")
    usable = np.array([s == "ok" for s in status], dtype=bool) & np.isfinite(score)
    return order[usable[order]][:count]


def why_none(status: Sequence[str], reason: Sequence[str]) -> tuple[str, str]:
    """Status and reason of a task none of whose grasps can be used: those of most of its rows.

    Args:
      status, reason: one a grasp, none "ok"; of those equally often the first counts.
    """
    (which, _), *_ = Counter(zip(status, reason, strict=True)).most_common()
    return which


def good(columns: Mapping[str, np.ndarray]) -> Bool[np.ndarray, " grasps"]:
    """Meets every limit and still touches the object after the gravity test."""
    within = [np.asarray(columns[name], dtype=float) <= limit for name, limit in LIMITS.items()]
    return np.logical_and.reduce([*within, np.asarray(columns["contact_end"], dtype=bool)])


def good_rows(rows: Sequence[Mapping[str, Any]]) -> Bool[np.ndarray, " grasps"]:
    """`good` of rows of `grasps.parquet`, and the way to the grasp is free where the row says anything of it.

    A measure that is null is no good one.
    """
    names = (*LIMITS, "contact_end")
    meets = good({name: np.array([row[name] for row in rows], dtype=float) for name in names})
    return meets & np.array([row.get("approach_free") is not False for row in rows], bool)


def rank(
    columns: Mapping[str, np.ndarray], score: Float[np.ndarray, " grasps"]
) -> Int[np.ndarray, " grasps"]:
    """Order of the simulated grasps, best first.

    Good ones (`good`) come first: those that pierce nothing by score, which alone knows the task, then the
    others by depth. Those that are not good follow by their worst ratio to a limit, max_m(value_m / limit_m),
    with lost contact worse than any of them.

    Args:
      columns: `LIMITS`, `p_dep_object_cm` and `contact_end`, one value a grasp; NaN is infinitely bad.
      score: of the same grasps.
    Returns: indices into the columns.
    """
    ratios = np.stack([np.asarray(columns[name], dtype=float) / limit for name, limit in LIMITS.items()])
    worst = np.nan_to_num(ratios, nan=np.inf).max(axis=0)
    worst = np.where(np.asarray(columns["contact_end"], dtype=bool), worst, np.inf)
    meets = good(columns)
    depth = np.nan_to_num(np.asarray(columns["p_dep_object_cm"], dtype=float), nan=np.inf)
    pierces = np.where(depth > PIERCING_CM, depth, 0.0)
    return np.lexsort((score, np.where(meets, pierces, worst), ~meets))
