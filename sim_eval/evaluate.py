"""All measures of a batch of grasps of one object, under the column names of `grasps.parquet` (DESIGN §9)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from sim_eval import backends
from sim_eval.backends import Backend
from sim_eval.convex import ConvexParams
from sim_eval.metrics import contact
from sim_eval.metrics.penetration import object_depth, penetration_depth, penetration_volume
from sim_eval.protocols import gravity, gravity_hold, six_force
from sim_eval.simobject import sim_object
from sim_eval.solids import as_manifold
from zdg_jax.errors import UserError
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.squeeze import opened_and_squeezed
from zdg_jax.objects import signed_distance
from zdg_jax.objects.model import ObjectModel

PROTOCOLS = ("gravity", "gravity_hold", "six_force")
SUCCESS_DEPTH_CM = 1.0  # paper IV-A: "continuous contact with penetration depth below 1cm"


def evaluate(
    hand: HandModel,
    obj: ObjectModel,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    protocol: str = "gravity",
    *,
    backend: str = "auto",
    pregrasp: Float[np.ndarray, "n active"] | None = None,
    squeeze: Float[np.ndarray, "n active"] | None = None,
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
      part: the object's samples on the ground-truth part; without it there is no part_acc and sc_ratio.
      convex: how the simulation cuts the object; as the backend wants it if None.
      threads: of C MuJoCo; by default one a core. The result doesn't depend on it.

    Returns:
      Arrays of length N:
        p_dep_cm, p_dep_object_cm, p_vol_cm3, p_vol_method ("exact" or "voxel"): see `metrics.penetration`;
        contact_5mm, contact_2mm (a skin vertex that near or inside), contact_fingers, contact_distance_cm;
        part_acc, sc_ratio (at 5 mm, only with `part`): see `metrics.contact`;
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
        rule = opened_and_squeezed(hand, joints)
        pregrasp, squeeze = (
            (rule[0] if pregrasp is None else pregrasp),
            (rule[1] if squeeze is None else squeeze),
        )
    waypoints = np.stack([np.asarray(pregrasp), joints, np.asarray(squeeze)], axis=1)
    return columns | simulate(
        hand, obj, hand_pose, waypoints, protocol, simulator, convex, columns["p_dep_cm"]
    )


def simulate(
    hand: HandModel,
    obj: ObjectModel,
    hand_pose: Float[np.ndarray, "n 7"],
    waypoints: Float[np.ndarray, "n 3 active"],
    protocol: str,
    simulator: Backend,
    convex: ConvexParams | None,
    p_dep_cm: Float[np.ndarray, " n"],
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
        held = test.run(hand, objects, index, hand_pose, pre, grasp, squeeze, simulator)
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


def measure_shape(
    hand: HandModel,
    obj: ObjectModel,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    part: Bool[np.ndarray, " samples"] | None = None,
) -> dict[str, np.ndarray]:
    """Those columns of `evaluate` that need no simulation: penetration and contact; at least one grasp."""
    skin = posed_skin(hand, hand_pose, joints)
    n = len(skin)
    fine = np.isfinite(skin).all(axis=(1, 2))
    phi = np.full(skin.shape[:2], np.nan)
    phi[fine] = signed_distance(obj.mesh, skin[fine].reshape(-1, 3)).reshape(-1, skin.shape[1])
    solid = as_manifold(np.asarray(obj.mesh.vertices), np.asarray(obj.mesh.faces))
    depth_object, volume = np.full(n, np.nan), np.full(n, np.nan)
    method = np.full(n, "", dtype="<U5")
    for i in np.flatnonzero(fine):
        depth_object[i] = object_depth(skin[i], hand.skin_faces, obj.samples.points)
        found = penetration_volume(skin[i], hand.skin_faces, obj.mesh, solid)
        volume[i], method[i] = found.cm3, found.method
    touch = contact.touching(phi)
    columns = {
        "p_dep_cm": penetration_depth(phi),
        "p_dep_object_cm": depth_object,
        "p_vol_cm3": volume,
        "p_vol_method": method,
        "contact_5mm": touch.any(axis=1),
        "contact_2mm": contact.touching(phi, contact.CONTACT_STRICT).any(axis=1),
        "contact_fingers": contact.finger_count(touch, hand.skin_finger),
        "contact_distance_cm": contact.contact_distance(phi),
    }
    if part is not None:
        correct = contact.on_part(skin, obj.samples.points, part)
        ratio = contact.semantic_contact_ratio(touch, correct, hand.skin_finger)
        accuracy = contact.part_accuracy(touch, correct)
        columns |= {"part_acc": np.where(fine, accuracy, np.nan), "sc_ratio": np.where(fine, ratio, np.nan)}
    return columns


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
    real = "p_dep_cm p_dep_object_cm p_vol_cm3 contact_distance_cm".split()
    real += ["part_acc", "sc_ratio"] if with_part else []
    columns: dict[str, np.ndarray] = {name: np.zeros(0) for name in real}
    columns |= {name: np.zeros(0, bool) for name in ("contact_5mm", "contact_2mm")} | _failed(protocol, 0)
    columns |= {name: np.zeros(0, np.str_) for name in ("p_vol_method", "status", "status_reason")}
    return columns | {"contact_fingers": np.zeros(0, np.int64)}
