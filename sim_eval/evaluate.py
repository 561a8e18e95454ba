"""All measures of a batch of grasps of one object, under the column names of `grasps.parquet` (DESIGN §9)."""

from __future__ import annotations

import os

import numpy as np
from jaxtyping import Bool, Float

from sim_eval.convex import ConvexParams
from sim_eval.metrics import contact
from sim_eval.metrics.penetration import object_depth, penetration_depth, penetration_volume
from sim_eval.protocols import gravity
from sim_eval.solids import as_manifold
from zdg_jax.errors import UserError
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import signed_distance
from zdg_jax.objects.model import ObjectModel

PROTOCOLS = ("gravity",)
SUCCESS_DEPTH_CM = 1.0  # paper IV-A: "continuous contact with penetration depth below 1cm"


def evaluate(
    hand: HandModel,
    obj: ObjectModel,
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
        p_dep_cm, p_dep_object_cm, p_vol_cm3, p_vol_method ("exact" or "voxel"): see `metrics.penetration`;
        contact_5mm, contact_2mm (a skin vertex that near or inside), contact_fingers, contact_distance_cm;
        part_acc, sc_ratio (at 5 mm, only with `part`): see `metrics.contact`;
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


def _refused(n: int, reason: str) -> gravity.GravityResult:
    nan, no = np.full(n, np.nan), np.zeros(n, bool)
    return gravity.GravityResult(nan, no, no, nan, ("bad_object",) * n, (" ".join(reason.split()),) * n)


def _empty(with_part: bool) -> dict[str, np.ndarray]:
    real = "p_dep_cm p_dep_object_cm p_vol_cm3 contact_distance_cm sim_dis_cm sim_depth_cm".split()
    real += ["part_acc", "sc_ratio"] if with_part else []
    flag = "contact_5mm contact_2mm sim_suc contact_end contact_every_step".split()
    columns: dict[str, np.ndarray] = {name: np.zeros(0) for name in real}
    columns |= {name: np.zeros(0, bool) for name in flag}
    columns |= {name: np.zeros(0, np.str_) for name in ("p_vol_method", "status", "status_reason")}
    return columns | {"contact_fingers": np.zeros(0, np.int64)}
