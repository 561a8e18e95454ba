"""Differentiable look-up in distance grids, for the refinement loop."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def lookup(
    values: Float[Array, "nx ny nz channels"],
    origin: Float[Array, "3"],
    spacing: Float[Array, "3"] | Float[Array, ""] | float,
    points: Float[Array, "*batch 3"],
) -> Float[Array, "*batch channels"]:
    """Trilinear value of each channel; beyond the grid the distance to the grid is added.

    f(p) = sum_c w_c(q) v_c + |p - q| with q = p clamped to the grid. The gradient is exact for this
    f, and finite everywhere: on nodes it is that of one adjoining cell.

    Args:
      values: at the nodes origin + spacing * (i, j, k), at least two nodes an axis, metres; several
        fields on the same nodes stand in the last axis.
      origin: metres.
      spacing: metres, one for all axes or one each.
      points: metres.

    Returns:
      Metres, one value a channel.
    """
    nx, ny, nz, channels = values.shape
    lead = (1,) * (points.ndim - 1)
    top = jnp.array([nx - 1, ny - 1, nz - 1], dtype=points.dtype).reshape((*lead, 3))
    step = jnp.broadcast_to(jnp.asarray(spacing, dtype=points.dtype), (3,)).reshape((*lead, 3))
    u = (points - jnp.reshape(origin, (*lead, 3))) / step
    # where, not clip: at the border itself the inner derivative counts fully
    q = jnp.where(u < 0, jnp.zeros_like(u), jnp.where(u > top, jnp.broadcast_to(top, u.shape), u))
    low = jax.lax.stop_gradient(jnp.clip(jnp.floor(q), 0, top - 1))
    t = q - low
    i = low.astype(jnp.int32)
    base = (i[..., 0] * ny + i[..., 1]) * nz + i[..., 2]
    flat = values.reshape(nx * ny * nz, channels)
    result = jnp.zeros((*points.shape[:-1], channels), dtype=values.dtype)
    for a, b, c in ((a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)):
        wx = t[..., 0] if a else 1 - t[..., 0]
        wy = t[..., 1] if b else 1 - t[..., 1]
        wz = t[..., 2] if c else 1 - t[..., 2]
        corner = flat[base + (a * ny + b) * nz + c]
        result = result + (wx * wy * wz)[..., None] * corner
    beyond = jnp.sum(((u - q) * step) ** 2, axis=-1, keepdims=True)
    inside = beyond <= 0
    root = jnp.sqrt(jnp.where(inside, jnp.ones_like(beyond), beyond))  # sqrt(0) has no gradient
    return result + jnp.where(inside, jnp.zeros_like(root), root)
