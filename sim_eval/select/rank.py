"""Which grasps are simulated, which of them are good, and which is better (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from zdg_jax.grasps import Grasps

# A kept grasp is called good if it meets all of these, still touches after the gravity test, and the way to
# it is free where that is known (docs/results.md).
LIMITS = {"p_dep_cm": 0.3, "p_vol_cm3": 3.0, "sim_dis_cm": 2.0}
# P.Dep looks at skin vertices only; a finger through a mug's wall shows in the object's points inside it.
PIERCING_CM = 0.3


def shortlist(grasps: Grasps, count: int) -> Int[np.ndarray, " chosen"]:
    """Numbers of the `count` grasps of least score among those with status "ok"; ties keep their order.

    Args:
      grasps: with `score`: energy of eq. 8 plus the weighted deviation from the reasoned pose.
      count: at most so many.
    """
    order = np.argsort(grasps["score"], kind="stable")
    usable = grasps.ok & np.isfinite(grasps["score"])
    return order[usable[order]][:count]


def good(columns: Mapping[str, np.ndarray]) -> Bool[np.ndarray, " grasps"]:
    """Meets every limit, still touches the object after the gravity test, and is reached freely if known."""
    within = [np.asarray(columns[name], dtype=float) <= limit for name, limit in LIMITS.items()]
    touches = np.asarray(columns["contact_end"], dtype=float) > 0
    free = np.asarray(columns.get("approach_free", np.ones(len(touches))), dtype=float) != 0.0
    return np.logical_and.reduce([*within, touches, free])


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
