"""Where the hand's spheres stand to an object, and how hinges move them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.kinematics import moves_link, posed
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf.build import field_values

#: Half a difference of the central difference that gives a normal, metres: smooths the field's cells.
STEP = 5e-4


def sphere_gaps(
    hand: HandModel, field: SignedDistanceField, centers: Float[np.ndarray, "n spheres 3"]
) -> Float[np.ndarray, "n spheres"]:
    """phi(c_s) - r_s: how far each sphere's surface is from the object's, negative inside.

    Args:
      hand: its radii, metres.
      field: of the object.
      centers: object frame, metres.
    """
    phi = field_values(field, centers.reshape(-1, 3)).reshape(centers.shape[:2])
    return phi - hand.sphere_radius


def outward_normals(field: SignedDistanceField, p_obj: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """grad phi / |grad phi| by central differences of `STEP`; 0 where the field is flat."""
    slope = np.stack(
        [field_values(field, p_obj + STEP * e) - field_values(field, p_obj - STEP * e) for e in np.eye(3)], -1
    )
    return slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)


def point_jacobian(
    hand: HandModel,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    row: np.ndarray,
    link: np.ndarray,
    p_obj: Float[np.ndarray, "m 3"],
) -> Float[np.ndarray, "m 3 active"]:
    """dp/dq of points fixed to links: J_h = a_h x (p - c_h) for every hinge that moves the link, times A.

    Args:
      hand: hinges and the coupling A.
      hand_pose, joints: a posture each.
      row, link: which posture and link each point belongs to.
      p_obj: metres.
    """
    anchor, axis = (posed(hand, hand_pose, joints, what) for what in ("hinge", "hinge_normal"))
    moved = moves_link(hand).T[link]
    J = np.cross(axis[row], p_obj[:, None] - anchor[row]) * moved[..., None]
    return np.einsum("mhi,ha->mia", J, hand.coupling)
