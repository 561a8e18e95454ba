"""The seven energies of eq. 8, each one pure function of one grasp; vmap for a batch.

The paper defines the first two (eqs. 6, 7); the other five are ours (DESIGN §6), in the spirit of
GraspTTA and DexGraspNet. All lengths in metres.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

#: Steepness of the contact map, 1/m: c falls from 1 to 0.24 over one centimetre.
CONTACT_STEEPNESS = 100.0
#: Unit of E_spen, metres.
OVERLAP_UNIT = 0.01


def e_contact(
    distance: Float[Array, " vertices"], prior: Float[Array, " vertices"], member: Bool[Array, " vertices"]
) -> Float[Array, ""]:
    """E_cont = (1/n) sum_{j in member} C_j d_j (eq. 6 for functional fingers, eq. 7 for the rest).

    Args:
      distance: d_j, from skin vertex j to the target region (to P_func^3d or M_hand^3d).
      prior: C_j, contact probability of vertex j.
      member: the functional-finger vertices (eq. 6) or all others (eq. 7).
    """
    return jnp.sum(jnp.where(member, prior * distance, 0.0)) / jnp.maximum(jnp.sum(member), 1)


def e_contact_map(distance: Float[Array, " vertices"], prior: Float[Array, " vertices"]) -> Float[Array, ""]:
    """E_cmap = mean_j (c_j - C_j)^2, c_j = 1 - 2 (sigmoid(2 k d_j) - 1/2), k = 100 / m.

    Not defined in the paper; the contact map is GraspTTA's (Jiang et al. 2021, eq. 5 and its code).
    """
    c = 1.0 - 2.0 * (jax.nn.sigmoid(2.0 * CONTACT_STEEPNESS * distance) - 0.5)
    return jnp.mean((c - prior) ** 2)


def e_penetration(
    phi_skin: Float[Array, " vertices"],
    psi_object: Float[Array, " points"],
    point_weight: Float[Array, ""] | float = 1.0,
    tolerance: Float[Array, ""] | float = 0.0,
) -> Float[Array, ""]:
    """E_pen = sum_v max(0, -phi(v) - t) + w sum_o max(0, -psi(o) - t).

    phi is the object's signed distance at skin vertices, psi the hand's at object points, each standing
    for w of the object's samples: the second sum catches blades and walls that pass between skin vertices.
    t is the depth that soft skin may give way.
    """
    inside = jnp.sum(jax.nn.relu(-phi_skin - tolerance))
    return inside + point_weight * jnp.sum(jax.nn.relu(-psi_object - tolerance))


def e_self_penetration(
    center: Float[Array, "spheres 3"], radius: Float[Array, " spheres"], pairs: Bool[Array, "spheres spheres"]
) -> Float[Array, ""]:
    """E_spen = sum_{(a, b) in pairs} max(0, r_a + r_b - |x_a - x_b|) / 1 cm, spheres of non-adjacent links.

    In centimetres, so that under the paper's lambda_5 = 1 a finger resists the thumb as strongly as the
    object does (lambda_4 = 20 over many vertices): in metres thumbs passed through fingers by 1.5 cm.
    Dense in both sphere axes: a gather of pairs would scatter in its gradient.
    """
    square = jnp.sum(center**2, axis=1)
    gap2 = square[:, None] + square[None, :] - 2.0 * center @ center.T
    gap = jnp.sqrt(jnp.maximum(gap2, 1e-10))
    return jnp.sum(jnp.where(pairs, jax.nn.relu(radius[:, None] + radius[None, :] - gap), 0.0)) / OVERLAP_UNIT


def e_force_closure(
    p_pad: Float[Array, "pads 3"],
    n_pad: Float[Array, "pads 3"],
    weight: Float[Array, " pads"],
    scale: float = 0.1,
) -> Float[Array, ""]:
    """E_fc = |sum_i w_i [n_i; (p_i - p0) x n_i / s]|^2 / (sum_i w_i)^2.

    Object normals n_i at the finger pads are held constant, as in DexGraspNet's E_fc; w_i is the pad's
    closeness to the surface, p0 the pads' weighted mean, s = 0.1 m makes the torque comparable to the force.
    """
    n = jax.lax.stop_gradient(n_pad)
    total = jnp.sum(weight) + 1e-6
    arm = (p_pad - jnp.sum(weight[:, None] * p_pad, axis=0, keepdims=True) / total) / scale
    force = jnp.sum(weight[:, None] * n, axis=0)
    torque = jnp.sum(weight[:, None] * jnp.cross(arm, n), axis=0)
    return (jnp.sum(force**2) + jnp.sum(torque**2)) / total**2


def e_joint_limits(
    joints: Float[Array, " active"], lower: Float[Array, " active"], upper: Float[Array, " active"]
) -> Float[Array, ""]:
    """E_pip = sum_j max(0, l_j - q_j) + max(0, q_j - u_j), radians."""
    return jnp.sum(jax.nn.relu(lower - joints) + jax.nn.relu(joints - upper))
