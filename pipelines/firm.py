"""Keep grasps that a closing hand makes firm: closed in simulation, then tested by `six_force`."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pipelines import selection
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.result import RefinedGrasps

#: A kept grasp this deep in the object comes after all that hold and are not, cm.
DEEP_CM = 0.15


@dataclass(frozen=True)
class Firm:
    """What closing and testing made of a batch.

    Attributes:
      refined: the batch with poses and joints of the closed hand where it holds the object; energies, drift
        and starts are still those of refinement.
      pregrasp, squeeze: joint targets before and after, radians; NaN where the hand's own rule has to do.
      success: `six_force` holds; false for grasps whose hand did not close on the object.
      forces_held: of six.
    """

    refined: RefinedGrasps
    pregrasp: Float[np.ndarray, "k active"]
    squeeze: Float[np.ndarray, "k active"]
    success: Bool[np.ndarray, " k"]
    forces_held: Int[np.ndarray, " k"]


def make_firm(hand: HandModel, obj: ObjectModel, refined: RefinedGrasps, threads: int | None = None) -> Firm:
    """Close the hand on every usable grasp (`sim_eval.closing`) and run `six_force` on what it holds."""
    from sim_eval import backends
    from sim_eval.closing import close_hand
    from sim_eval.protocols import six_force
    from sim_eval.simobject import sim_object

    simulator = backends.backend("c", threads)
    k = len(refined.status)
    pose, joints = refined.hand_pose.copy(), refined.joints.copy()
    pregrasp, squeeze = np.full_like(joints, np.nan), np.full_like(joints, np.nan)
    success, held = np.zeros(k, bool), np.zeros(k, int)
    usable = selection.shortlist(refined.score, refined.status, k)
    try:
        target = sim_object(obj.mesh, simulator.convex)
    except ValueError:  # simulation of what is kept says so, row by row
        return Firm(refined, pregrasp, squeeze, success, held)
    threads = threads or os.cpu_count() or 1
    closed = close_hand(hand, target, pose[usable], joints[usable], threads=threads)
    done = usable[closed.held]
    pose[done], joints[done], pregrasp[done], squeeze[done] = (
        x[closed.held] for x in (closed.hand_pose, closed.joints, closed.pregrasp, closed.squeeze)
    )
    if len(done):
        tested = six_force.run(
            hand, (target,), np.zeros(len(done), int), pose[done], pregrasp[done], joints[done],
            squeeze[done], simulator,
        )  # fmt: skip
        success[done], held[done] = tested.success, tested.forces_held
    closed_batch = dataclasses.replace(refined, hand_pose=pose, joints=joints)
    return Firm(closed_batch, pregrasp, squeeze, success, held)


def firm_shortlist(firm: Firm, count: int) -> Int[np.ndarray, " chosen"]:
    """At most `count` usable grasps: those that hold by score, then the others by forces withstood."""
    refined = firm.refined
    order = np.lexsort((np.nan_to_num(refined.score, nan=np.inf), -firm.forces_held, ~firm.success))
    usable = np.isin(order, selection.shortlist(refined.score, refined.status, len(order)))
    return order[usable][:count]


def firm_rank(
    firm: Firm, chosen: Int[np.ndarray, " chosen"], p_dep_cm: Float[np.ndarray, " chosen"]
) -> Int[np.ndarray, " chosen"]:
    """Order of the measured grasps: those that hold and are not deep, those that hold, the others.

    Returns: places in `chosen`, best first.
    """
    deep = ~(np.asarray(p_dep_cm) <= DEEP_CM)
    return np.lexsort((firm.refined.score[chosen], deep, -firm.forces_held[chosen], ~firm.success[chosen]))
