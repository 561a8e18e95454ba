"""All measures of a batch of grasps of one object, under the names of `zdg_jax.columns`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from sim_eval import backends
from sim_eval.backends import Backend
from sim_eval.convex import ConvexParams
from sim_eval.measure import GraspedObject, measure_shape
from sim_eval.protocols import Protocol
from sim_eval.protocols import protocol as protocol_of
from sim_eval.simobject import sim_object
from zdg_jax.grasps import Grasps
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.pregrasp import pregrasp_and_squeeze


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
      protocol: one of `sim_eval.protocols.PROTOCOLS`.
      backend: one of `sim_eval.backends.BACKENDS`.
      pregrasp, squeeze: active joint angles before and after the grasp, radians, for the protocols that close
        the hand; by the hand's rule (`hands.squeeze`) if None, and in rows that hold NaN.
      pregrasp_pose: of link 0 before the grasp; None, or NaN in a row, where the hand closes on the spot.
      part: the object's samples on the ground-truth part; without it there is no part_acc and sc_ratio.
      convex: how the simulation cuts the object; as the backend wants it if None.
      threads: of C MuJoCo; by default one a core. The result doesn't depend on it.

    Returns:
      Arrays of length N: those of `measure.measure_shape`, those of the protocol, status (names) and
      status_reason. Numbers that a row's failure makes meaningless are NaN, its verdicts False.

    Raises:
      UserError: unknown protocol.
    """
    test = protocol_of(protocol)
    simulator = backends.backend(backend, threads)
    hand_pose, joints = np.asarray(hand_pose, np.float64), np.asarray(joints, np.float64)
    columns = measure_shape(hand, obj, hand_pose, joints, part)
    rule = pregrasp_and_squeeze(hand, joints)
    before, after = (
        own if given is None else np.where(np.isfinite(given), given, own)
        for given, own in zip((pregrasp, squeeze), rule, strict=True)
    )
    start = np.full_like(hand_pose, np.nan) if pregrasp_pose is None else np.asarray(pregrasp_pose)
    grasps = Grasps.of(
        hand.name, hand.active_names, hand_pose, joints, pregrasp=before, squeeze=after, pregrasp_pose=start,
        columns=columns,
    )  # fmt: skip
    return columns | simulate(hand, obj, grasps, test, simulator, convex)


def simulate(
    hand: HandModel,
    obj: GraspedObject,
    grasps: Grasps,
    test: Protocol,
    simulator: Backend,
    convex: ConvexParams | None = None,
) -> dict[str, np.ndarray]:
    """Those columns of `evaluate` that a protocol gives, status included.

    Args:
      hand, obj, simulator, convex: see `evaluate`.
      grasps: all of this object, with their measured columns.
      test: the protocol.
    """
    n = len(grasps)
    if n == 0:
        return test.nothing(0) | {"status": np.zeros(0, np.str_), "status_reason": np.zeros(0, object)}
    try:
        objects = (sim_object(obj.mesh, convex or simulator.convex),)
    except ValueError as error:  # one object that can't be simulated must not end a batch of objects
        reason = " ".join(str(error).split())
        return test.nothing(n) | {
            "status": np.full(n, "bad_object"),
            "status_reason": np.full(n, reason, object),
        }
    return test.test(hand, objects, grasps, simulator)
