"""All measures of a batch of grasps of one object, under the names of `zdg_jax.columns`."""

from __future__ import annotations

import os
from functools import cached_property
from pkgutil import resolve_name
from typing import Protocol, runtime_checkable

import numpy as np
import trimesh
from jaxtyping import Bool, Float

from sim_eval import backends, protocols
from sim_eval.backends import Backend
from sim_eval.metrics import contact, force_closure
from sim_eval.metrics.penetration import penetration_volume
from sim_eval.simobject import ConvexParams, sim_object
from sim_eval.solids import as_manifold
from zdg_jax.columns import Column, measured
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps, numbers
from zdg_jax.hands.io.link_solids import collision_points
from zdg_jax.hands.kinematics import posed_points, posed_skin, posed_spheres
from zdg_jax.hands.model import HandModel, pregrasp_and_squeeze
from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.objects.sdf.mesh_distance import closest_points, winding_number

# All measures of a batch of grasps of one object that need no simulation: the columns that `Posed` gives.
# what a row that is not finite holds, and the type of a column of no row
_NOTHING = {"real": np.nan, "flag": False, "count": 0, "text": ""}
_TYPES = {"real": np.float64, "flag": np.bool_, "count": np.int64, "text": np.str_}


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


class Posed:
    """N posed hands and an object: what metrics are functions of; each is computed when first asked for.

    Rows whose pose or joints are not finite hold NaN; `fine` says which are.
    """

    def __init__(
        self,
        hand: HandModel,
        obj: GraspedObject,
        hand_pose: Float[np.ndarray, "n 7"],
        joints: Float[np.ndarray, "n active"],
        part: Bool[np.ndarray, " samples"] | None = None,
    ) -> None:
        """See `measure_shape`."""
        self.hand, self.obj, self.hand_pose, self.joints, self.part = hand, obj, hand_pose, joints, part
        self.mesh, self.points = obj.mesh, obj.samples.points
        self.skin_faces, self.skin_finger, self.skin_link = hand.skin_faces, hand.skin_finger, hand.skin_link
        self.sphere_radius, self.sphere_pairs = hand.sphere_radius, hand.sphere_pairs
        self.thumb, self.posture = hand.thumb, hand.posture

    @cached_property
    def skin(self) -> Float[np.ndarray, "n vertices 3"]:
        """Skin vertices, metres."""
        return posed_skin(self.hand, self.hand_pose, self.joints)

    @cached_property
    def fine(self) -> Bool[np.ndarray, " n"]:
        """Rows that are finite."""
        return np.asarray(np.isfinite(self.skin).all(axis=(1, 2)))

    @cached_property
    def spheres(self) -> Float[np.ndarray, "n spheres 3"]:
        """Sphere centres, metres."""
        return posed_spheres(self.hand, self.hand_pose, self.joints)

    @cached_property
    def collision_points(self) -> Float[np.ndarray, "n points 3"]:
        """Points on the collision shapes, metres."""
        points, link = collision_points(self.hand)
        return posed_points(self.hand, self.hand_pose, self.joints, link, points)

    @cached_property
    def _surface(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        skin, fine = self.skin, self.fine
        phi, points, normals = (
            np.full(skin.shape[:2], np.nan),
            np.full_like(skin, np.nan),
            np.zeros_like(skin),
        )
        flat = skin[fine].reshape(-1, 3)
        nearest, distance, face = closest_points(self.mesh, flat)
        vertices, faces = np.asarray(self.mesh.vertices), np.asarray(self.mesh.faces)
        outside = winding_number(vertices, faces, flat) <= 0.5
        shape = skin[fine].shape
        phi[fine] = np.where(outside, distance, -distance).reshape(shape[:2])
        points[fine] = nearest.reshape(shape)
        normals[fine] = np.asarray(self.mesh.face_normals)[face].reshape(shape)
        return phi, points, normals

    @property
    def phi(self) -> Float[np.ndarray, "n vertices"]:
        """Exact signed distance of each skin vertex, metres, positive outside."""
        return self._surface[0]

    @property
    def nearest(self) -> Float[np.ndarray, "n vertices 3"]:
        """The object's surface point next to each skin vertex, metres."""
        return self._surface[1]

    @property
    def normal(self) -> Float[np.ndarray, "n vertices 3"]:
        """Outward normal there."""
        return self._surface[2]

    @cached_property
    def touch(self) -> Bool[np.ndarray, "n vertices"]:
        """Vertices within 5 mm."""
        return contact.touching(self.phi)

    @cached_property
    def touch_strict(self) -> Bool[np.ndarray, "n vertices"]:
        """Vertices within 2 mm."""
        return contact.touching(self.phi, contact.CONTACT_STRICT)

    @cached_property
    def correct(self) -> Bool[np.ndarray, "n vertices"]:
        """Vertices next to the ground-truth part."""
        assert self.part is not None  # columns that read it are left out without one
        return contact.on_part(self.skin, self.points, self.part)

    @cached_property
    def links(self) -> Bool[np.ndarray, "n links"]:
        """Links in contact."""
        return contact.links_in_contact(self.phi, self.skin_link, len(self.hand.link_names))

    @cached_property
    def gaps(self) -> Float[np.ndarray, "n fingers"]:
        """Signed gap of each finger, metres."""
        return contact.finger_gaps(self.phi, self.skin_finger)

    @cached_property
    def _volumes(self) -> tuple[np.ndarray, np.ndarray]:
        solid = as_manifold(np.asarray(self.mesh.vertices), np.asarray(self.mesh.faces))
        volume, method = np.full(len(self.skin), np.nan), np.full(len(self.skin), "", dtype="<U5")
        for i in np.flatnonzero(self.fine):
            found = penetration_volume(self.skin[i], self.skin_faces, self.mesh, solid)
            volume[i], method[i] = found.cm3, found.method
        return volume, method

    @property
    def volume_cm3(self) -> Float[np.ndarray, " n"]:
        """P.Vol: `metrics.penetration.penetration_volume`."""
        return self._volumes[0]

    @property
    def volume_method(self) -> np.ndarray:
        """How it was found: "exact" or "voxel"."""
        return self._volumes[1]

    @cached_property
    def _wrenches(self) -> dict[int, np.ndarray]:
        """Of the links' contacts, of each row that is fine."""
        center, length = object_frame(self.obj)
        found = {}
        for i in np.flatnonzero(self.fine):
            near = np.abs(self.phi[i]) < contact.THRESHOLD
            points, inward = force_closure.link_contacts(
                near, self.skin_link, self.nearest[i], self.normal[i]
            )
            found[int(i)] = force_closure.cone_wrenches(points, inward, center, length)
        return found

    @cached_property
    def min_weight(self) -> Float[np.ndarray, " n"]:
        """The linear programme's weight: `metrics.force_closure.min_weight`."""
        weight = np.full(len(self.phi), np.nan)
        for i, wrenches in self._wrenches.items():
            weight[i] = force_closure.min_weight(wrenches)
        return weight

    @property
    def closure(self) -> Bool[np.ndarray, " n"]:
        """Force closure of the links' contacts."""
        return np.asarray(self.min_weight > force_closure.CLOSED)

    @cached_property
    def epsilon(self) -> Float[np.ndarray, " n"]:
        """Ferrari-Canny quality: `metrics.force_closure.quality`. It costs five times the programme."""
        epsilon = np.full(len(self.phi), np.nan)
        for i, wrenches in self._wrenches.items():
            epsilon[i] = force_closure.quality(wrenches, float(self.min_weight[i])).epsilon
        return epsilon


def measure_shape(
    hand: HandModel,
    obj: GraspedObject,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    part: Bool[np.ndarray, " samples"] | None = None,
    only: tuple[str, ...] | None = None,
) -> dict[str, np.ndarray]:
    """Penetration, contact and force closure of N grasps of one object.

    Args:
      hand: any hand.
      obj: the object, metres.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame.
      joints: active joint angles, radians.
      part: the object's samples on the ground-truth part; without it there is no part_acc and sc_ratio.
      only: names of the columns that are wanted; all by default.

    Returns:
      The measured columns of `zdg_jax.columns`, arrays of length N; docs/metrics.md says what each is.
      A pose or joint that is not finite gives NaN, False and a count of 0.
    """
    wanted = [
        column
        for column in measured()
        if (part is not None or "correct" not in column.of) and (only is None or column.name in only)
    ]
    if len(hand_pose) == 0:
        return {column.name: np.zeros(0, _TYPES[column.kind]) for column in wanted}
    posed = Posed(hand, obj, hand_pose, joints, part)
    return {column.name: _value(column, posed) for column in wanted}


def object_frame(obj: GraspedObject) -> tuple[Float[np.ndarray, "3"], float]:
    """(c, ρ) for torques: centre of mass and the surface's greatest distance from it, metres.

    Of a mesh that bounds no solid the mean of the surface samples stands for the centre of mass.
    """
    mesh = obj.mesh
    solid = mesh.is_watertight and mesh.volume > 0
    center = np.asarray(mesh.center_mass) if solid else obj.samples.points.mean(axis=0)
    return center, float(np.linalg.norm(np.asarray(mesh.vertices) - center, axis=1).max())


def _value(column: Column, posed: Posed) -> np.ndarray:
    given = [getattr(posed, name) for name in column.of]
    if column.measure is None:
        (value,) = given
    else:
        measure = resolve_name(column.measure) if isinstance(column.measure, str) else column.measure
        value = measure(*given)
    return np.where(posed.fine, np.asarray(value), _NOTHING[column.kind])


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
      Arrays of length N: those of `measure_shape`, those of the protocol, status (names) and
      status_reason. Numbers that a row's failure makes meaningless are NaN, its verdicts False.

    Raises:
      UserError: unknown protocol, a hand or an object that is not loaded, or numbers of another shape.
    """
    for what, given, loaded, by in (
        ("hand", hand, HandModel, "load_hand"), ("object", obj, GraspedObject, "load_object"),
    ):  # fmt: skip
        if isinstance(given, (str, os.PathLike)):
            raise UserError(
                f"the name {str(given)!r} as {what}", f"a {loaded.__name__}", f"load it: zdg.{by}"
            )
    hand_pose = numbers("hand_pose", hand_pose, (None, 7)).astype(np.float64)
    joints = numbers("joints", joints, (len(hand_pose), len(hand.active_names))).astype(np.float64)
    test = protocols.protocol(protocol)
    simulator = backends.backend(backend, threads)
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
    test: protocols.Protocol,
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
