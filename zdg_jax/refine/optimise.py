"""The optimiser loop: one compiled function a hand, whatever the object, task or weights."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from zdg_jax.hands.model import HandModel
from zdg_jax.refine.objective import Variables, terms, to_pose, to_variables, total
from zdg_jax.refine.problem import Problem


class Schedule(NamedTuple):
    """Learning rate r_k = rate decay^floor(k / every) for k < steps (paper IV-A); all traced."""

    steps: Array
    rate: Array
    decay: Array
    every: Array


@lru_cache(maxsize=8)
def compiled(hand: HandModel):
    """jitted (problem, schedule, pose, joints) -> (pose, joints, terms [K, 7], terms at start)."""

    def run(problem: Problem, schedule: Schedule, pose: Float[Array, "k 7"], joints: Float[Array, "k n"]):
        v0 = jax.vmap(to_variables)(pose, joints)
        each = jax.vmap(lambda v: terms(hand, problem, v))
        batches = problem.probes.shape[0]

        def energy(v: Variables, batch: Array) -> Array:
            return jnp.sum(jax.vmap(lambda x: total(hand, problem, x, batch))(v))

        gradient = jax.grad(energy)
        adam = optax.scale_by_adam()

        def step(k, carry):
            v, state = carry
            updates, state = adam.update(gradient(v, k % batches), state)
            rate = schedule.rate * schedule.decay ** (k // schedule.every).astype(jnp.float32)
            v = jax.tree.map(lambda x, u: x - rate * u, v, updates)
            return Variables(*v), state

        v, _ = jax.lax.fori_loop(0, schedule.steps, step, (v0, adam.init(v0)))
        v = v._replace(
            joints=jnp.clip(v.joints, hand.lower.astype("float32")[None], hand.upper.astype("float32")[None])
        )
        return jax.vmap(to_pose)(v), v.joints, each(v), each(v0)

    return jax.jit(run)
