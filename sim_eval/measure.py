"""All measures of a batch of grasps of one object that need no simulation."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import trimesh
from jaxtyping import Bool, Float

from sim_eval.metrics import contact, contact_links, force_closure
from sim_eval.metrics.penetration import (
    collision_depth,
    object_depth,
    penetration_depth,
    penetration_volume,
    voxel_volumes,
)
from sim_eval.metrics.self_penetration import self_penetration
from sim_eval.solids import as_manifold
from zdg_jax.hands.io.link_solids import collision_points
from zdg_jax.hands.kinematics import posed_points, posed_skin, posed_spheres
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.objects.sdf.mesh_distance import closest_points, winding_number

# kind of every column of `measure_shape`, in its order; the tables and the empty batch read it
COLUMNS = {
    "p_dep_cm": float,
    "p_dep_object_cm": float,
    "p_dep_collision_cm": float,
    "p_vol_cm3": float,
    "p_vol_voxel_cm3": float,
    "p_vol_method": str,
    "self_pen_cm": float,
    "contact_5mm": bool,
    "contact_2mm": bool,
    "contact_fingers": int,
    "contact_number": int,
    "contact_gap_cm": float,
    "contact_distance_cm": float,
    "contact_consistency_cm": float,
    "force_closure": bool,
    "fc_epsilon": float,
    "fc_min_weight": float,
}
PART_COLUMNS = {"part_acc": float, "sc_ratio": float}


@runtime_checkable
class GraspedObject(Protocol):
    """What measuring and simulating read of an object; every `ObjectModel` has it.

    Attributes:
      mesh: outward faces, metres.
      samples: spread evenly on its surface.
    """

    @property
    def mesh(self) -> trimesh.Trimesh: ...
    @property
    def samples(self) -> SurfaceSamples: ...


def measure_shape(
    hand: HandModel,
    obj: GraspedObject,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    part: Bool[np.ndarray, " samples"] | None = None,
) -> dict[str, np.ndarray]:
    """Penetration, contact and force closure of N grasps of one object.

    Args:
      hand: any hand.
      obj: the object, metres.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame.
      joints: active joint angles, radians.
      part: the object's samples on the ground-truth part; without it there is no part_acc and sc_ratio.

    Returns:
      `COLUMNS`, and `PART_COLUMNS` with `part`, arrays of length N; docs/metrics.md says what each is.
      A pose or joint that is not finite gives NaN, False and a count of 0.
    """
    n = len(hand_pose)
    if n == 0:
        return empty_shape(part is not None)
    skin = posed_skin(hand, hand_pose, joints)
    fine = np.asarray(np.isfinite(skin).all(axis=(1, 2)))
    phi, nearest, normal = _surface(obj.mesh, skin, fine)
    touch = contact.touching(phi)
    links = contact_links.links_in_contact(phi, hand.skin_link, len(hand.link_names))
    gaps = contact_links.finger_gaps(phi, hand.skin_finger)
    columns: dict[str, np.ndarray] = {
        "p_dep_cm": penetration_depth(phi),
        **_overlap(hand, obj, skin, fine),
        "p_dep_collision_cm": _collision(hand, obj, hand_pose, joints),
        "self_pen_cm": self_penetration(
            posed_spheres(hand, hand_pose, joints), hand.sphere_radius, hand.sphere_pairs
        ),
        "contact_5mm": np.asarray(touch.any(axis=1)),
        "contact_2mm": np.asarray(contact.touching(phi, contact.CONTACT_STRICT).any(axis=1)),
        "contact_fingers": contact.finger_count(touch, hand.skin_finger),
        "contact_number": contact_links.contact_number(links),
        "contact_gap_cm": contact.contact_gap(phi),
        "contact_distance_cm": contact_links.mean_contact_distance(gaps),
        "contact_consistency_cm": contact_links.contact_consistency(gaps),
        **_closure(hand, obj, phi, nearest, normal, fine),
    }
    columns = {name: columns[name] for name in COLUMNS}
    if part is not None:
        correct = contact.on_part(skin, obj.samples.points, part)
        ratio = contact.semantic_contact_ratio(touch, correct, hand.skin_finger)
        accuracy = contact.part_accuracy(touch, correct)
        columns |= {"part_acc": np.where(fine, accuracy, np.nan), "sc_ratio": np.where(fine, ratio, np.nan)}
    return columns


def empty_shape(with_part: bool) -> dict[str, np.ndarray]:
    """What `measure_shape` returns for no grasp at all."""
    kinds = COLUMNS | (PART_COLUMNS if with_part else {})
    return {name: np.zeros(0, np.str_ if kind is str else kind) for name, kind in kinds.items()}


def object_frame(obj: GraspedObject) -> tuple[Float[np.ndarray, "3"], float]:
    """(c, ρ) for torques: centre of mass and the surface's greatest distance from it, metres.

    Of a mesh that bounds no solid the mean of the surface samples stands for the centre of mass.
    """
    mesh = obj.mesh
    solid = mesh.is_watertight and mesh.volume > 0
    center = np.asarray(mesh.center_mass) if solid else obj.samples.points.mean(axis=0)
    return center, float(np.linalg.norm(np.asarray(mesh.vertices) - center, axis=1).max())


def _surface(
    mesh: trimesh.Trimesh, skin: np.ndarray, fine: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(φ, nearest surface point, its outward normal) of every skin vertex; NaN in rows that are not fine."""
    phi, points, normals = np.full(skin.shape[:2], np.nan), np.full_like(skin, np.nan), np.zeros_like(skin)
    flat = skin[fine].reshape(-1, 3)
    nearest, distance, face = closest_points(mesh, flat)
    outside = winding_number(np.asarray(mesh.vertices), np.asarray(mesh.faces), flat) <= 0.5
    shape = skin[fine].shape
    phi[fine] = np.where(outside, distance, -distance).reshape(shape[:2])
    points[fine] = nearest.reshape(shape)
    normals[fine] = np.asarray(mesh.face_normals)[face].reshape(shape)
    return phi, points, normals


def _overlap(
    hand: HandModel, obj: GraspedObject, skin: np.ndarray, fine: np.ndarray
) -> dict[str, np.ndarray]:
    n = len(skin)
    solid = as_manifold(np.asarray(obj.mesh.vertices), np.asarray(obj.mesh.faces))
    depth, volume, method = np.full(n, np.nan), np.full(n, np.nan), np.full(n, "", dtype="<U5")
    for i in np.flatnonzero(fine):
        depth[i] = object_depth(skin[i], hand.skin_faces, obj.samples.points)
        found = penetration_volume(skin[i], hand.skin_faces, obj.mesh, solid)
        volume[i], method[i] = found.cm3, found.method
    voxels = voxel_volumes(skin, hand.skin_faces, obj.mesh)
    return {
        "p_dep_object_cm": depth,
        "p_vol_cm3": volume,
        "p_vol_voxel_cm3": voxels,
        "p_vol_method": method,
    }


def _collision(
    hand: HandModel, obj: GraspedObject, hand_pose: np.ndarray, joints: np.ndarray
) -> Float[np.ndarray, " n"]:
    points, link = collision_points(hand)
    return collision_depth(obj.mesh, posed_points(hand, hand_pose, joints, link, points))


def _closure(
    hand: HandModel,
    obj: GraspedObject,
    phi: np.ndarray,
    nearest: np.ndarray,
    normal: np.ndarray,
    fine: np.ndarray,
) -> dict[str, np.ndarray]:
    center, length = object_frame(obj)
    n = len(phi)
    closure, epsilon, weight = np.zeros(n, bool), np.full(n, np.nan), np.full(n, np.nan)
    for i in np.flatnonzero(fine):
        near = np.abs(phi[i]) < contact_links.THRESHOLD
        points, inward = force_closure.link_contacts(near, hand.skin_link, nearest[i], normal[i])
        found = force_closure.quality(force_closure.cone_wrenches(points, inward, center, length))
        closure[i], epsilon[i], weight[i] = found.closure, found.epsilon, found.min_weight
    return {"force_closure": closure, "fc_epsilon": epsilon, "fc_min_weight": weight}
