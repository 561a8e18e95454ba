"""Rigid transforms inside traced code: one position and one unit quaternion, w first; `vmap` for a batch.

What numpy code turns by is in `pose`. The sums stand in one order for good: another one ends refinement at
other last digits.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Transform(NamedTuple):
    """T_a_b: where the frame b stands in a.

    Attributes:
      pos: metres.
      rot: unit quaternion wxyz.
    """

    pos: Float[Array, "*b 3"]
    rot: Float[Array, "*b 4"]

    def do(self, other: Transform) -> Transform:
        """T_a_c = T_a_b T_b_c: p = p_ab + R_ab p_bc, q = q_ab q_bc."""
        return Transform(self.pos + turned(other.pos, self.rot), quat_mul(self.rot, other.rot))


def turned(vector: Float[Array, "3"], quat: Float[Array, "4"]) -> Float[Array, "3"]:
    """R(q) x = 2 (u . x) u + (s^2 - u . u) x + 2 s u x x, q = (s, u) of unit length."""
    s, u = quat[0], quat[1:]
    along = 2 * (jnp.dot(u, vector) * u) + (s * s - jnp.dot(u, u)) * vector
    return along + 2 * s * jnp.cross(u, vector)


def quat_mul(a: Float[Array, "4"], b: Float[Array, "4"]) -> Float[Array, "4"]:
    """Hamilton's product: first b turns, then a."""
    return jnp.array(
        [
            a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
            a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
            a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
            a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
        ]
    )


def quat_about(axis: Float[Array, "3"], angle: Float[Array, ""]) -> Float[Array, "4"]:
    """(cos(angle / 2), axis sin(angle / 2)) of a unit axis, radians."""
    x, y, z = (axis[k] * jnp.sin(angle / 2) for k in range(3))
    return jnp.array([jnp.cos(angle / 2), x, y, z])


def quat_to_matrix(quat: Float[Array, "4"]) -> Float[Array, "3 3"]:
    """R(q) of a quaternion of any length but zero."""
    scale = 2 / jnp.dot(quat, quat)
    w, x, y, z = quat
    xs, ys, zs = x * scale, y * scale, z * scale
    wx, wy, wz = w * xs, w * ys, w * zs
    xx, xy, xz = x * xs, x * ys, x * zs
    yy, yz, zz = y * ys, y * zs, z * zs
    return jnp.array(
        [
            jnp.array([1 - (yy + zz), xy - wz, xz + wy]),
            jnp.array([xy + wz, 1 - (xx + zz), yz - wx]),
            jnp.array([xz - wy, yz + wx, 1 - (xx + yy)]),
        ]
    )
