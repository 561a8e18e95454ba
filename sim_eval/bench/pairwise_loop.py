"""The optimiser loop over pairwise distances: the same steps as `refine.optimise`, other measures."""

from __future__ import annotations

import time
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from sim_eval.bench.pairwise import SEARCHES, SEARCHES_ON_CPU, Cloud, Search, hand_points, nearest, total
from zdg_jax.hands.model import HandModel
from zdg_jax.refine.optimize import OPTIMIZERS, Schedule, State
from zdg_jax.refine.variables import Variables, to_pose


def quickest(hand: HandModel, cloud: Cloud, state: State, platform: str) -> Search:
    """The search that takes least time here, measured; so that the reference is no straw man.

    Args:
      hand: static.
      cloud, state: of the batch that is to be refined.
      platform: of the device.
    """
    searches = SEARCHES_ON_CPU if platform == "cpu" else SEARCHES
    if len(searches) == 1:
        return searches[0]
    seconds = []
    for search in searches:
        run = jax.jit(partial(chosen, hand, search))
        jax.block_until_ready(run(cloud, state.variables))
        begin = time.perf_counter()
        jax.block_until_ready(run(cloud, state.variables))
        seconds.append(time.perf_counter() - begin)
    return searches[seconds.index(min(seconds))]


def chosen(hand: HandModel, search: Search, cloud: Cloud, v: Variables) -> Int[Array, "p k 3 n"]:
    """`nearest` of the skin vertices and pads of all grasps; a few at a time, or they would not fit."""
    skin, _, pad = _each(lambda x: hand_points(hand, x))(v)
    points = jnp.concatenate([skin, pad], axis=2)
    tasks, seeds = points.shape[:2]

    def one(args: tuple[Array, Array]) -> Array:
        return nearest(jax.tree.map(lambda x: x[args[0]], cloud), args[1], search)

    flat = points.reshape(tasks * seeds, -1, 3)
    task = jnp.repeat(jnp.arange(tasks), seeds)
    found = jax.lax.map(one, (task, flat), batch_size=min(search.grasps, len(flat)))
    return found.reshape(tasks, seeds, 3, -1)


@lru_cache(maxsize=8)
def compiled(hand: HandModel, optimizer: str, search: Search):
    """(advance, finish) for this hand, each jitted: what `optimize.compiled` is for the look-ups.

    advance(cloud, schedule, state, first, last) -> State after steps first..last-1
    finish(state) -> (pose, joints within limits) of [p, k] grasps
    """
    transform = OPTIMIZERS[optimizer]()
    slope_of = jax.grad(partial(total, hand), argnums=1)

    def advance(cloud: Cloud, schedule: Schedule, state: State, first: Array, last: Array) -> State:
        batches = cloud.object_samples.shape[1]

        def step(k: Array, state: State) -> State:
            v, memory = state
            which = chosen(hand, search, cloud, v)
            slope = jax.vmap(jax.vmap(slope_of, (None, 0, 0, None)), (0, 0, 0, None))(
                cloud, v, which, k % batches
            )
            updates, memory = transform.update(slope, memory)
            rate = schedule.rate * schedule.decay ** (k // schedule.every).astype(jnp.float32)
            return State(Variables(*jax.tree.map(lambda x, u: x - rate * u, v, updates)), memory)

        return jax.lax.fori_loop(first, last, step, state)

    def finish(state: State) -> tuple[Array, Array]:
        low, high = (jnp.asarray(x, jnp.float32)[None, None] for x in (hand.lower, hand.upper))
        v = state.variables
        return _each(to_pose)(v), jnp.clip(v.joints, low, high)

    return jax.jit(advance), jax.jit(finish)


def _each(function):
    return jax.vmap(jax.vmap(function))
