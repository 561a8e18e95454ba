"""Transforms of traced code against brax's, whose convention they share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from brax import base, math

from zdg_jax.hands.kinematics import Transform, quat_about, quat_mul, quat_to_matrix, turned


def _quaternions(n: int, seed: int) -> np.ndarray:
    q = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def test_transforms_are_braxs() -> None:
    p, x = np.random.default_rng(0).normal(size=(2, 50, 3)).astype(np.float32)
    a, b = jnp.asarray(_quaternions(50, 1)), jnp.asarray(_quaternions(50, 2))
    p, x = jnp.asarray(p), jnp.asarray(x)
    mine = jax.vmap(lambda t, u: t.do(u))(Transform(p, a), Transform(x, b))
    theirs = jax.vmap(lambda t, u: t.do(u))(base.Transform(pos=p, rot=a), base.Transform(pos=x, rot=b))
    np.testing.assert_allclose(mine.pos, theirs.pos, atol=1e-6)
    np.testing.assert_allclose(mine.rot, theirs.rot, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(turned)(x, a), jax.vmap(math.rotate)(x, a), atol=1e-6)
    np.testing.assert_allclose(jax.vmap(quat_mul)(a, b), jax.vmap(math.quat_mul)(a, b), atol=1e-6)
    np.testing.assert_allclose(jax.vmap(quat_to_matrix)(a), jax.vmap(math.quat_to_3x3)(a), atol=1e-6)
    axis, angle = x / jnp.linalg.norm(x, axis=1, keepdims=True), p[:, 0]
    theirs = jax.vmap(math.quat_rot_axis)(axis, angle)
    np.testing.assert_allclose(jax.vmap(quat_about)(axis, angle), theirs, atol=1e-6)
