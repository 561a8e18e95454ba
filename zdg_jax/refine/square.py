"""A box in the hand: the palm on one of its faces, thumb and fingers on two that face each other.

Eight directions and K turns are those of views: on a box that stands askew to them they bring the palm to an
edge, with the thumb and the fingers on neighbouring faces, which oppose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from zdg_jax.objects.model import ObjectModel
from zdg_jax.pose import unit

#: Of a box at least this share of the surface faces along its axes, within so much, radians.
_FACES, _WITHIN = 0.7, np.deg2rad(15.0)
#: So many of the normals are tried as its axes.
_CANDIDATES = 64
#: What thumb and fingers hold between them is no wider, metres; and no wider from elsewhere, if it can be.
WIDEST, FURTHEST = 0.1, 0.13
#: A hand that stands less askew is left as it is, one that would be turned further too, radians.
_ASKEW = np.deg2rad(12.0), np.deg2rad(50.0)
#: The 24 turns that take axes to axes.
_TURNS = Rotation.create_group("O").as_matrix().round()


@dataclass(frozen=True)
class Box:
    """What is held, if it is a box.

    Attributes:
      axes: columns are its axes, object frame.
      extents: its lengths along them, metres.
    """

    axes: Float[np.ndarray, "3 3"]
    extents: Float[np.ndarray, "3"]

    def across(self, R_obj_palm: Float[np.ndarray, "3 3"]) -> float:
        """How wide it is along D_finger, where thumb and fingers oppose each other, metres."""
        return float(np.abs(self.axes.T @ R_obj_palm[:, 0]) @ self.extents)


def box_of(obj: ObjectModel, mask: Bool[np.ndarray, " samples"]) -> Box | None:
    """The box of which most normals are near three axes; None of less than two, or with under 70 % near them.

    The first axis is the commonest normal, of either sign, the second the commonest across it.

    Args:
      obj: the object.
      mask: its samples that are held.
    """
    points, normals = obj.samples.points[mask], obj.samples.normals[mask]
    some = normals[:: max(1, len(normals) // _CANDIDATES)]
    first = _mode(normals, some)
    second = None if first is None else _mode(normals, some[np.abs(some @ first) < np.sin(_WITHIN)])
    if first is None or second is None:
        return None
    second = unit(second - (second @ first) * first)
    axes = np.column_stack([first, second, np.cross(first, second)])
    along = np.abs(normals @ axes).max(axis=1) > np.cos(_WITHIN)
    return Box(axes, np.ptp(points @ axes, axis=0)) if along.mean() >= _FACES else None


def _mode(normals: Float[np.ndarray, "n 3"], some: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "3"] | None:
    """The mean of the normals, of either sign, near that of `some` which has most of them near it."""
    if not len(some):
        return None
    cosine = some @ normals.T
    best = int((np.abs(cosine) > np.cos(_WITHIN)).sum(axis=1).argmax())
    near = np.abs(cosine[best]) > np.cos(_WITHIN)
    return unit((np.sign(cosine[best, near])[:, None] * normals[near]).sum(axis=0))


def squared(
    box: Box, R_obj_palm: Float[np.ndarray, "3 3"], any_side: bool
) -> Float[np.ndarray, "3 3"] | None:
    """The hand turned as little as it takes for the palm's axes to be those of the box.

    R' = A M with A the box's axes and M one of the 24 turns of a cube, the one of least angle(R', R) of which
    the box is at most 10 cm along D_finger. The side from which the hand comes is the task's: unless it may
    be any, only a hand that turns about D_palm is turned.

    Args:
      box: what is held.
      R_obj_palm: R, of the grasp that was reasoned.
      any_side: the hand may come from any other side as well.
    Returns: R'; None where the box is too wide each way, or is held squarely as it is or by another way.
    """
    fitting = [Q for M in _TURNS if box.across(Q := box.axes @ M) <= WIDEST]
    if not fitting:
        return None
    turn = Rotation.from_matrix(fitting @ R_obj_palm.T).magnitude()
    found = fitting[int(turn.argmin())]
    side = np.arccos(np.clip(found[:, 2] @ R_obj_palm[:, 2], -1.0, 1.0))
    askew = _ASKEW[0] < turn.min() < _ASKEW[1]
    return found if askew and (any_side or side <= _ASKEW[0]) else None
