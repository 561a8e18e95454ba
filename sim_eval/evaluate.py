"""All measures of a batch of grasps of one object, under the column names of `grasps.parquet` (DESIGN §9)."""

from __future__ import annotations

import os

import numpy as np
from jaxtyping import Bool, Float

from sim_eval.convex import ConvexParams
from sim_eval.measure import GraspedObject, empty_shape, measure_shape
from sim_eval.protocols import gravity
from zdg_jax.errors import UserError
from zdg_jax.hands.model import HandModel

PROTOCOLS = ("gravity",)
SUCCESS_DEPTH_CM = 1.0  # paper IV-A: "continuous contact with penetration depth below 1cm"


def evaluate(
    hand: HandModel,
    obj: GraspedObject,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    protocol: str = "gravity",
    *,
    part: Bool[np.ndarray, " samples"] | None = None,
    convex: ConvexParams | None = None,
    threads: int | None = None,
) -> dict[str, np.ndarray]:
    """Penetration, contact and simulation of N grasps of one object.

    Args:
      hand: any hand.
      obj: the object, metres, +y up.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame.
      joints: active joint angles, radians.
      protocol: one of `PROTOCOLS`.
      part: the object's samples on the ground-truth part; without it there is no part_acc and sc_ratio.
      convex: how the simulation cuts the object.
      threads: of the simulation; by default one a core. The result doesn't depend on it.

    Returns:
      Arrays of length N:
        those of `measure.measure_shape`: penetration, contact, force closure;
        sim_dis_cm: displacement of the centre of mass; contact_end, contact_every_step: see the protocol;
        sim_suc: touching in every state, the first included, and p_dep_cm <= 1;
        sim_depth_cm: overlap of the simulated shapes at release;
        status: "ok", "invalid_pose", "bad_object" or "sim_unstable"; status_reason: one line.
      Numbers that a row's failure makes meaningless are NaN, its verdicts False.

    Raises:
      UserError: unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise UserError(
            f"protocol {protocol!r}", f"one of {', '.join(PROTOCOLS)}", "choose one with --protocol"
        )
    hand_pose, joints = np.asarray(hand_pose, np.float64), np.asarray(joints, np.float64)
    n = len(hand_pose)
    if n == 0:
        return _empty(part is not None)
    columns = measure_shape(hand, obj, hand_pose, joints, part)
    try:
        drop = gravity.run(
            hand, obj.mesh, hand_pose, joints, convex=convex, threads=threads or os.cpu_count() or 1
        )
    except ValueError as error:  # one object that can't be simulated must not end a batch of objects
        drop = _refused(n, str(error))
    success = drop.contact_every_step & (columns["p_dep_cm"] <= SUCCESS_DEPTH_CM)
    columns |= {
        "sim_dis_cm": 100.0 * drop.displacement_m,
        "sim_suc": success,
        "contact_end": drop.contact_end,
        "contact_every_step": drop.contact_every_step,
        "sim_depth_cm": 100.0 * drop.sim_depth_m,
        "status": np.array(drop.status, dtype=np.str_),
        "status_reason": np.array(drop.status_reason, dtype=np.str_),
    }
    return columns


def _refused(n: int, reason: str) -> gravity.GravityResult:
    nan, no = np.full(n, np.nan), np.zeros(n, bool)
    return gravity.GravityResult(nan, no, no, nan, ("bad_object",) * n, (" ".join(reason.split()),) * n)


def _empty(with_part: bool) -> dict[str, np.ndarray]:
    columns = empty_shape(with_part)
    columns |= {name: np.zeros(0) for name in ("sim_dis_cm", "sim_depth_cm")}
    columns |= {name: np.zeros(0, bool) for name in ("sim_suc", "contact_end", "contact_every_step")}
    return columns | {name: np.zeros(0, np.str_) for name in ("status", "status_reason")}
