"""All measures of a batch of grasps of one object, under the column names of `grasps.parquet` (DESIGN §9)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from sim_eval import backends
from sim_eval.backends import Backend
from sim_eval.convex import ConvexParams
from sim_eval.measure import GraspedObject, empty_shape, measure_shape
from sim_eval.protocols import gravity, gravity_hold, six_force
from sim_eval.simobject import sim_object
from zdg_jax.errors import UserError
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.pregrasp import pregrasp_and_squeeze

PROTOCOLS = ("gravity", "gravity_hold", "six_force")
SUCCESS_DEPTH_CM = 1.0  # paper IV-A: "continuous contact with penetration depth below 1cm"


def evaluate(
    hand: HandModel,
    obj: GraspedObject,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    protocol: str = "gravity",
    *,
    backend: str = "auto",
    pregrasp: Float[np.ndarray, "n active"] | None = None,
    squeeze: Float[np.ndarray, "n active"] | None = None,
    pregrasp_pose: Float[np.ndarray, "n 7"] | None = None,
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
      backend: one of `sim_eval.backends.BACKENDS`.
      pregrasp, squeeze: active joint angles before and after the grasp, radians, for the protocols that close
        the hand; by the hand's rule (`hands.squeeze`) if None.
      pregrasp_pose: of link 0 before the grasp; None, or NaN in a row, where the hand closes on the spot.
      part: the object's samples on the ground-truth part; without it there is no part_acc and sc_ratio.
      convex: how the simulation cuts the object; as the backend wants it if None.
      threads: of C MuJoCo; by default one a core. The result doesn't depend on it.

    Returns:
      Arrays of length N:
        those of `measure.measure_shape`: penetration, contact, force closure;
        sim_dis_cm: displacement of the centre of mass; contact_end, contact_every_step: see the protocol;
        sim_suc: touching in every state, the first included, and p_dep_cm <= 1;
        sim_depth_cm: overlap of the simulated shapes at release;
        with another protocol NAME instead of the last three lines: NAME_suc, NAME_dis_cm, NAME_turn_deg
        (largest displacement and turn), NAME_depth_cm (overlap before the hand closes), NAME_held (forces
        withstood);
        status: "ok", "invalid_pose", "joint_limits", "bad_object" or "sim_unstable"; status_reason: one line.
      Numbers that a row's failure makes meaningless are NaN, its verdicts False.

    Raises:
      UserError: unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise UserError(
            f"protocol {protocol!r}", f"one of {', '.join(PROTOCOLS)}", "choose one with --protocol"
        )
    simulator = backends.backend(backend, threads)
    hand_pose, joints = np.asarray(hand_pose, np.float64), np.asarray(joints, np.float64)
    n = len(hand_pose)
    if n == 0:
        return _empty(protocol, part is not None)
    columns = measure_shape(hand, obj, hand_pose, joints, part)
    if pregrasp is None or squeeze is None:
        rule = pregrasp_and_squeeze(hand, joints)
        pregrasp, squeeze = (
            (rule[0] if pregrasp is None else pregrasp),
            (rule[1] if squeeze is None else squeeze),
        )
    waypoints = np.stack([np.asarray(pregrasp), joints, np.asarray(squeeze)], axis=1)
    return columns | simulate(
        hand, obj, hand_pose, waypoints, protocol, simulator, convex, columns["p_dep_cm"], pregrasp_pose
    )


def simulate(
    hand: HandModel,
    obj: GraspedObject,
    hand_pose: Float[np.ndarray, "n 7"],
    waypoints: Float[np.ndarray, "n 3 active"],
    protocol: str,
    simulator: Backend,
    convex: ConvexParams | None,
    p_dep_cm: Float[np.ndarray, " n"],
    pregrasp_pose: Float[np.ndarray, "n 7"] | None = None,
) -> dict[str, np.ndarray]:
    """Those columns of `evaluate` that a protocol gives, status included."""
    n = len(hand_pose)
    try:
        objects = (sim_object(obj.mesh, convex or simulator.convex),)
    except ValueError as error:  # one object that can't be simulated must not end a batch of objects
        reason = " ".join(str(error).split())
        return _failed(protocol, n) | {
            "status": np.array(["bad_object"] * n, dtype=np.str_),
            "status_reason": np.array([reason] * n, dtype=np.str_),
        }
    index = np.zeros(n, int)
    if protocol == "gravity":
        drop = gravity.run(hand, objects, index, hand_pose, waypoints[:, 1], simulator)
        columns = {
            "sim_dis_cm": 100.0 * drop.displacement_m,
            "sim_suc": drop.contact_every_step & (p_dep_cm <= SUCCESS_DEPTH_CM),
            "contact_end": drop.contact_end,
            "contact_every_step": drop.contact_every_step,
            "sim_depth_cm": 100.0 * drop.sim_depth_m,
        }
        status, why = drop.status, drop.status_reason
    else:
        test = {"gravity_hold": gravity_hold, "six_force": six_force}[protocol]
        pre, grasp, squeeze = (waypoints[:, k] for k in range(3))
        held = test.run(hand, objects, index, hand_pose, pre, grasp, squeeze, simulator, pregrasp_pose)
        columns = {
            f"{protocol}_suc": held.success,
            f"{protocol}_dis_cm": 100.0 * held.move_m,
            f"{protocol}_turn_deg": np.rad2deg(held.turn_rad),
            f"{protocol}_depth_cm": 100.0 * held.start_depth_m,
            f"{protocol}_held": held.forces_held,
        }
        status, why = held.status, held.status_reason
    return columns | {
        "status": np.array(status, dtype=np.str_),
        "status_reason": np.array(why, dtype=np.str_),
    }


def _failed(protocol: str, n: int) -> dict[str, np.ndarray]:
    """Columns of a protocol without any result: NaN and no success."""
    real, flag = ["sim_dis_cm", "sim_depth_cm"], ["sim_suc", "contact_end", "contact_every_step"]
    columns: dict[str, np.ndarray] = {}
    if protocol != "gravity":
        real, flag = (
            [f"{protocol}_{name}" for name in ("dis_cm", "turn_deg", "depth_cm")],
            [f"{protocol}_suc"],
        )
        columns[f"{protocol}_held"] = np.zeros(n, np.int64)
    columns |= {name: np.full(n, np.nan) for name in real}
    return columns | {name: np.zeros(n, bool) for name in flag}


def _empty(protocol: str, with_part: bool) -> dict[str, np.ndarray]:
    columns = empty_shape(with_part) | _failed(protocol, 0)
    return columns | {name: np.zeros(0, np.str_) for name in ("status", "status_reason")}
