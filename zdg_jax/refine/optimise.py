"""The optimiser loop: one compiled function a hand and batch shape, whatever objects, tasks or weights."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from zdg_jax._brax import Transform
from zdg_jax.hands.model import HandModel
from zdg_jax.refine import objective as ob
from zdg_jax.refine.objective import Pushed, Variables
from zdg_jax.refine.targets import Tables, Targets

Path = Literal["xla", "kernel"]
#: What `RefineConfig.optimizer` may name: the direction of a step, its length is the schedule's.
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


@lru_cache(maxsize=32)
def compiled(hand: HandModel, optimizer: str, path: Path):
    """(start, advance) for this hand, each jitted.

    start(pose [p, k, 7], joints [p, k, n]) -> State
    advance(tables, targets, schedule, state, first, last) -> State after steps first..last-1
    """
    transform = OPTIMIZERS[optimizer]()

    def start(pose: Float[Array, "p k 7"], joints: Float[Array, "p k n"]) -> State:
        v = _each(ob.to_variables)(pose, joints)
        return State(v, transform.init(v))

    def advance(
        tables: Tables, targets: Targets, schedule: Schedule, state: State, first: Array, last: Array
    ) -> State:
        if path == "kernel" and optimizer == "adam":
            return _in_kernel(hand, tables, targets, schedule, state, first, last)
        batches = targets.probes.shape[1]

        def step(k: Array, state: State) -> State:
            v, memory = state
            at = _each(lambda x: ob.kinematics(hand, x))(v)
            push = push_all(hand, tables, targets, at.links, k % batches, path)
            slope = jax.vmap(
                jax.vmap(lambda v, at, push, w: ob.gradient(hand, v, at, push, w), (0, 0, 0, None))
            )(v, at, push, targets.weights)
            updates, memory = transform.update(slope, memory)
            rate = schedule.rate * schedule.decay ** (k // schedule.every).astype(jnp.float32)
            return State(Variables(*jax.tree.map(lambda x, u: x - rate * u, v, updates)), memory)

        return jax.lax.fori_loop(first, last, step, state)

    return jax.jit(start), jax.jit(advance)


def measured(
    hand: HandModel, tables: Tables, targets: Targets, state: State, path: Path
) -> tuple[Array, Array, Array, Transform]:
    """Pose, joints within limits, the seven energies with all object probes, and links, each [p, k, ...]."""
    low, high = (jnp.asarray(x, jnp.float32)[None, None] for x in (hand.lower, hand.upper))
    v = state.variables
    v = v._replace(joints=jnp.clip(v.joints, low, high))
    links = _each(lambda x: ob.kinematics(hand, x))(v).links
    push = push_all(hand, tables, targets, links, None, path)
    terms = _each(lambda v, p: ob.all_terms(hand, v, p))(v, push)
    return _each(ob.to_pose)(v), v.joints, terms, links


def _in_kernel(hand, tables, targets, schedule: Schedule, state: State, first: Array, last: Array) -> State:
    from zdg_jax.refine.kernel_steps import advance_adam

    v, (mu, nu) = advance_adam(
        hand, tables, targets, schedule, state.variables, (state.memory.mu, state.memory.nu), first, last
    )
    return State(v, optax.ScaleByAdamState(jnp.asarray(last, state.memory.count.dtype), mu, nu))


def push_all(
    hand: HandModel, tables: Tables, targets: Targets, links, batch: Array | None, path: Path
) -> Pushed:
    """`objective.push` for a batch [p, k] of grasps, p tasks with k grasps each."""
    if path == "kernel":
        from zdg_jax.refine.kernel import push_kernel

        if batch is not None:
            return push_kernel(hand, tables, targets, links, batch)
        every = jnp.arange(targets.probes.shape[1])
        each = jax.lax.map(lambda b: push_kernel(hand, tables, targets, links, b), every)
        return jax.tree.map(lambda x: jnp.mean(x, axis=0), each)  # one batch of probes stands for all
    one = lambda target, links: ob.push(hand, tables, target, links, batch)  # noqa: E731
    return jax.vmap(jax.vmap(one, (None, 0)))(targets, links)


def _each(function):
    return jax.vmap(jax.vmap(function))
