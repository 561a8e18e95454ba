"""A box in the hand: the palm on one of its faces, thumb and fingers on two that face each other.

Eight directions and K turns are those of views: on a box that stands askew to them they bring the palm to an
edge, with the thumb and the fingers on neighbouring faces, which oppose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation
from trimesh.bounds import oriented_bounds

from zdg_jax.guidance import InitialGrasp
from zdg_jax.objects.model import EXPANSION, ObjectModel, expanded, hand_position

#: Of a box at least this share of the surface faces along its axes, within so many degrees.
_FACES, _WITHIN = 0.7, 15.0
#: Thinner than that it is a sheet, or one face of a box, metres.
_SHEET = 0.002
#: What thumb and fingers hold between them is no wider, metres; and no wider from elsewhere, if it can be.
WIDEST, FURTHEST = 0.1, 0.13
#: A hand that stands less askew is left as it is, one that would be turned further too, degrees.
_ASKEW = 12.0, 50.0
#: The 24 turns that take axes to axes.
_TURNS = [
    M for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)
    if np.linalg.det(M := np.eye(3)[:, order] * signs) > 0
]  # fmt: skip


@dataclass(frozen=True)
class Box:
    """What is held, if it is a box.

    Attributes:
      axes: columns are its axes, object frame.
      extents: its lengths along them, metres.
      center: the mean of what is held, metres.
    """

    axes: Float[np.ndarray, "3 3"]
    extents: Float[np.ndarray, "3"]
    center: Float[np.ndarray, "3"]

    def across(self, R_obj_palm: Float[np.ndarray, "3 3"]) -> float:
        """How wide it is along D_finger, where thumb and fingers oppose each other, metres."""
        return float(np.abs(self.axes.T @ R_obj_palm[:, 0]) @ self.extents)


def box_of(obj: ObjectModel, mask: Bool[np.ndarray, " samples"]) -> Box | None:
    """The least box around what is held; None of a sheet, or where less than 70 % of it faces along its axes.

    Args:
      obj: the object.
      mask: its samples that are held.
    """
    points, normals = obj.samples.points[mask], obj.samples.normals[mask]
    if len(points) < 4:
        return None
    middle = points - points.mean(axis=0)
    if np.ptp(middle @ np.linalg.svd(middle, full_matrices=False)[2].T, axis=0).min() < _SHEET:
        return None
    to_box, extents = oriented_bounds(points, angle_digits=4)
    axes = to_box[:3, :3].T
    along = np.abs(normals @ axes).max(axis=1) > np.cos(np.deg2rad(_WITHIN))
    return Box(axes, extents, points.mean(axis=0)) if along.mean() >= _FACES else None


def squared(obj: ObjectModel, box: Box, initial: InitialGrasp, any_side: bool) -> InitialGrasp | None:
    """The grasp turned as little as it takes for the palm's axes to be those of the box.

    R' = A M with A the box's axes and M one of the 24 turns of a cube, the one of least angle(R', R) of which
    the box is at most 10 cm along D_finger; T' by eq. 1 from the middle of what is held. The side from which
    the hand comes is the task's: unless it may be any, only a hand that turns about D_palm is turned.

    Args:
      obj: the object.
      box: of it, what is held.
      initial: the grasp that was reasoned.
      any_side: the hand may come from any other side as well.
    Returns: None where the box is too wide each way, or is held squarely as it is or by another way.
    """
    R = np.asarray(initial.R_obj_palm)
    fitting = [Q for M in _TURNS if box.across(Q := box.axes @ M) <= WIDEST]
    if not fitting:
        return None
    turn, found = min(((_angle(Q, R), Q) for Q in fitting), key=lambda each: each[0])
    side = np.rad2deg(np.arccos(np.clip(found[:, 2] @ R[:, 2], -1.0, 1.0)))
    if not _ASKEW[0] < turn < _ASKEW[1] or (side > _ASKEW[0] and not any_side):
        return None
    place = hand_position(box.center, -found[:, 2], expanded(obj.hull, EXPANSION))
    return replace(initial, p_obj_palm=place, R_obj_palm=found)


def _angle(a: Float[np.ndarray, "3 3"], b: Float[np.ndarray, "3 3"]) -> float:
    return float(np.rad2deg(Rotation.from_matrix(a @ b.T).magnitude()))
