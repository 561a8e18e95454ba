"""The seven energies of eq. 8, each one pure function of what was measured of one grasp.

The paper defines the first two (eqs. 6, 7); the other five are ours (DESIGN §6), in the spirit of
GraspTTA and DexGraspNet. All lengths in metres. `share` is a vertex's weight in a mean: 1/n for the n
vertices that count, 0 for others, so that a sum over a padded tile is part of the mean.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

#: Steepness of the contact map, 1/m: c falls from 1 to 0.24 over one centimetre.
CONTACT_STEEPNESS = 100.0
#: Unit of E_spen, metres.
OVERLAP_UNIT = 0.01
#: Makes the torque in E_fc comparable to the force, metres.
TORQUE_ARM = 0.1
#: Squared sum of pad weights from which on E_fc counts balance.
LEAST_CONTACT = 0.5

Vector = tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]


def e_contact(
    distance: Float[Array, " n"], prior: Float[Array, " n"], share: Float[Array, " n"]
) -> Float[Array, ""]:
    """E_cont = (1/n) sum_j C_j d_j (eq. 6 for functional fingers, eq. 7 for the rest).

    Args:
      distance: d_j, from skin vertex j to the target region (to P_func^3d or M_hand^3d).
      prior: C_j, contact probability of vertex j.
      share: 1/n for the functional-finger vertices (eq. 6) or all others (eq. 7), else 0.
    """
    return jnp.sum(share * prior * distance)


def e_contact_map(
    distance: Float[Array, " n"], prior: Float[Array, " n"], share: Float[Array, " n"]
) -> Float[Array, ""]:
    """E_cmap = mean_j (c_j - C_j)^2, c_j = 1 - 2 (sigmoid(2 k d_j) - 1/2) = 1 - tanh(k d_j), k = 100 / m.

    Not defined in the paper; the contact map is GraspTTA's (Jiang et al. 2021, eq. 5 and its code).
    """
    c = 2.0 - 2.0 * jax.nn.sigmoid(2.0 * CONTACT_STEEPNESS * distance)
    return jnp.sum(share * (c - prior) ** 2)


def e_penetration(
    distance: Float[Array, " n"], weight: Float[Array, " n"], tolerance: Float[Array, ""]
) -> Float[Array, ""]:
    """E_pen = sum_v w_v max(0, -phi_v - t); t is the depth that soft skin may give way.

    Summed over skin vertices with the object's signed distance, and over object samples with the hand's,
    each standing for w of the object's samples: the second sum catches blades and walls that pass between
    skin vertices.
    """
    return jnp.sum(weight * jax.nn.relu(-distance - tolerance))


def e_self_penetration(gap: Float[Array, "a b"], touch: Float[Array, "a b"]) -> Float[Array, ""]:
    """E_spen = 1/2 sum_{a, b} max(0, r_a + r_b - |x_a - x_b|) / 1 cm over spheres of non-adjacent links.

    In centimetres, so that under the paper's lambda_5 = 1 a finger resists the thumb as strongly as the
    object does (lambda_4 = 20 over many vertices): in metres thumbs passed through fingers by 1.5 cm.

    Args:
      gap: distances between centres, each pair both ways (hence the half).
      touch: r_a + r_b where the pair counts, at most 0 where it does not.
    """
    return 0.5 * jnp.sum(jax.nn.relu(touch - gap)) / OVERLAP_UNIT


def e_force_closure(p_pad: Vector, n_pad: Vector, weight: Float[Array, " n"]) -> Float[Array, ""]:
    """E_fc = (|sum_i w_i [n_i; (p_i - p0) x n_i / s]|^2 + e) / ((sum_i w_i)^2 + e).

    Object normals n_i at the finger pads are held constant, as in DexGraspNet's E_fc; w_i is the pad's
    closeness to the surface, p0 the pads' weighted mean, s = 0.1 m. With e = 0.5 it is 1 where no pad
    touches, 1 for one pad, 0.1 for two that oppose. Without e it vanishes together with the weights: fingers
    fled to 35 mm from the object.
    """
    nx, ny, nz = (jax.lax.stop_gradient(n) for n in n_pad)
    total = jnp.sum(weight) + 1e-6
    x, y, z = ((p - jnp.sum(weight * p) / total) / TORQUE_ARM for p in p_pad)
    wrench = (nx, ny, nz, y * nz - z * ny, z * nx - x * nz, x * ny - y * nx)
    square = jnp.zeros_like(total)
    for component in wrench:
        square = square + jnp.sum(weight * component) ** 2
    return (square + LEAST_CONTACT) / (total**2 + LEAST_CONTACT)


def e_joint_limits(
    joints: Float[Array, " active"], lower: Float[Array, " active"], upper: Float[Array, " active"]
) -> Float[Array, ""]:
    """E_pip = sum_j max(0, l_j - q_j) + max(0, q_j - u_j), radians."""
    return jnp.sum(jax.nn.relu(lower - joints) + jax.nn.relu(joints - upper))
