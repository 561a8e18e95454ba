"""The optimiser loop: one compiled function a hand and batch shape, whatever objects, tasks or weights."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from zdg_jax.hands.kinematics import Chain, Transform
from zdg_jax.hands.model import HandModel
from zdg_jax.refine import objective as ob
from zdg_jax.refine.energies import TERMS, Term
from zdg_jax.refine.problem import Tables, Targets, by_start, of_start
from zdg_jax.refine.seams import variables_gradient
from zdg_jax.refine.variables import Variables, is_sound, kinematics, to_pose, to_variables
from zdg_jax.stored import Stored

Path = Literal["xla", "kernel"]
#: By `config.Optimizer`: the direction of a step, its length is the schedule's.
OPTIMIZERS = {
    "adam": optax.scale_by_adam,
    "amsgrad": optax.scale_by_amsgrad,
    "nadam": lambda: optax.scale_by_adam(nesterov=True),
    "adabelief": optax.scale_by_belief,
    "yogi": optax.scale_by_yogi,
    "lion": optax.scale_by_lion,
    "rmsprop": optax.scale_by_rms,
}


class Schedule(NamedTuple):
    """Learning rate r_k = rate decay^floor(k / every) for k < steps (paper IV-A); all traced."""

    steps: Array
    rate: Array
    decay: Array
    every: Array


class State(NamedTuple):
    """Where a batch stands: variables [p, k, ...] and what the optimiser remembers of them."""

    variables: Variables
    memory: Any


def compiled(hand: HandModel, optimizer: str, path: Path):
    """(start, advance) for this hand and the terms of eq. 8 as they are now, each jitted.

    start(pose [p, k, 7], joints [p, k, n]) -> State
    advance(tables, targets, schedule, state, first, last) -> State after steps first..last-1
    """
    return _compiled(hand, optimizer, path, tuple(TERMS.values()))


def constants_of(hand: HandModel, optimizer: str, path: Path, terms: tuple[Term, ...]) -> tuple | None:
    """What the compiled functions are made of beside our code; None with a term that is not in it."""
    functions = [(t.skin, t.spheres, t.samples, t.fingertips, t.joints) for t in terms]
    named = [[f and (f.__module__, f.__qualname__) for f in each] for each in functions]
    if any(f and not f[0].startswith("zdg_jax.") for each in named for f in each):
        return None
    return hand, optimizer, path, named


@lru_cache(maxsize=32)
def _compiled(hand: HandModel, optimizer: str, path: Path, terms: tuple[Term, ...]):
    # `terms` is but a key: what was compiled for others is not taken
    transform = OPTIMIZERS[optimizer]()

    def start(pose: Float[Array, "p k 7"], joints: Float[Array, "p k n"]) -> State:
        v = _each(to_variables)(pose, joints)
        return State(v, transform.init(v))

    def advance(
        tables: Tables, targets: Targets, schedule: Schedule, state: State, first: Array, last: Array
    ) -> State:
        if path == "kernel" and optimizer == "adam":
            return _in_kernel(hand, tables, targets, schedule, state, first, last)
        batches = targets.object_samples.shape[1]

        def step(k: Array, state: State) -> State:
            v, memory = state
            slope = gradients(hand, tables, targets, v, k % batches, path)
            updates, memory = transform.update(slope, memory)
            rate = schedule.rate * schedule.decay ** (k // schedule.every).astype(jnp.float32)
            return State(Variables(*jax.tree.map(lambda x, u: x - rate * u, v, updates)), memory)

        return jax.lax.fori_loop(first, last, step, state)

    constants = constants_of(hand, optimizer, path, terms)
    return Stored(start, "start", constants), Stored(advance, "advance", constants)


def measured(
    hand: HandModel, tables: Tables, targets: Targets, state: State, path: Path
) -> tuple[Array, Array, Array, Transform]:
    """Pose, joints within limits, all energies with all object samples, and links, each [p, k, ...]."""
    low, high = (jnp.asarray(x, jnp.float32)[None, None] for x in (hand.lower, hand.upper))
    v = state.variables
    v = v._replace(joints=jnp.clip(v.joints, low, high))
    at = _each(lambda x: kinematics(hand, x))(v)
    if path == "kernel":
        terms = _kernel_terms(hand, tables, targets, v, at)
    else:
        one = lambda target, kind, v, at: ob.terms(hand, tables, of_start(target, kind), v, at)  # noqa: E731
        kind = by_start(targets, v.joints.shape[1]).kind
        terms = jax.vmap(jax.vmap(one, (None, 0, 0, 0)))(targets, kind, v, at)
    return _each(to_pose)(v), v.joints, terms, at.links


def gradients(
    hand: HandModel, tables: Tables, targets: Targets, v: Variables, batch: Array, path: Path
) -> Variables:
    """dE/dv for a batch [p, k] of grasps, p tasks with k grasps each.

    Args:
      hand: static.
      tables, targets: of the batch.
      v: of every grasp.
      batch: the batch of object samples that is tested.
      path: "kernel" measures on CUDA, "xla" anywhere.
    """
    if path == "kernel":
        return _kernel_gradients(hand, tables, targets, v, batch)
    one = lambda target, kind, v: ob.gradient(hand, tables, of_start(target, kind), v, batch)  # noqa: E731
    kind = by_start(targets, v.joints.shape[1]).kind
    return jax.vmap(jax.vmap(one, (None, 0, 0)))(targets, kind, v)


def _kernel_gradients(hand, tables, targets, v: Variables, batch: Array) -> Variables:
    from zdg_jax.refine.gpu.energy_kernel import measure_kernel

    at = _each(lambda x: kinematics(hand, x))(v)
    links = measure_kernel(hand, tables, targets, at.links, batch)

    def one(weights: Array, v: Variables, at: Chain, grad_p: Array, grad_w: Array) -> Variables:
        slope = variables_gradient(hand, v, at, grad_p, grad_w)
        slope = slope._replace(joints=slope.joints + ob.joints_gradient(hand, v, weights))
        return Variables(*(jnp.where(is_sound(v), x, jnp.nan) for x in slope))

    each = jax.vmap(jax.vmap(one, (None, 0, 0, 0, 0)))
    return each(targets.weights, v, at, links.grad_p, links.grad_w)


def _kernel_terms(hand, tables, targets, v: Variables, at: Chain) -> Array:
    from zdg_jax.refine.gpu.energy_kernel import measure_kernel

    every = jnp.arange(targets.object_samples.shape[1])
    each = jax.lax.map(lambda b: measure_kernel(hand, tables, targets, at.links, b).terms, every)
    found = jnp.mean(each, axis=0)  # one batch of samples stands for all
    return found + _each(lambda v: ob.joints_terms(hand, v))(v)


def _in_kernel(hand, tables, targets, schedule: Schedule, state: State, first: Array, last: Array) -> State:
    from zdg_jax.refine.gpu.adam_kernel import advance_adam

    v, (mu, nu) = advance_adam(
        hand, tables, targets, schedule, state.variables, (state.memory.mu, state.memory.nu), first, last
    )
    return State(v, optax.ScaleByAdamState(jnp.asarray(last, state.memory.count.dtype), mu, nu))


def _each(function):
    return jax.vmap(jax.vmap(function))
