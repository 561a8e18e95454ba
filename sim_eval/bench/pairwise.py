"""Refinement without look-ups: every distance from all surface samples, as GraspTTA and DexGraspNet do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from zdg_jax.hands.kinematics import place
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine import objective as look_ups
from zdg_jax.refine.energies import Fingertips, Readings, SkinDistances, all_terms
from zdg_jax.refine.objective import joints
from zdg_jax.refine.optimize import OPTIMIZERS, Schedule, State
from zdg_jax.refine.problem import Problem
from zdg_jax.refine.seams import square
from zdg_jax.refine.variables import Variables, is_sound, kinematics, layout, to_pose


# The optimiser loop over pairwise distances: the same steps as `refine.optimise`, other measures.
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


class Cloud(NamedTuple):
    """What one task is refined against (a leading axis `p` for many); field frame, metres.

    Attributes:
      points, normals: all surface samples with outward unit normals.
      hand, func: which of them are M_hand^3d and P_func^3d.
      object_samples, sample_weight, prior, key_points, weights, tolerance: see `refine.problem.Targets`.
    """

    points: Float[Array, "*p samples 3"]
    normals: Float[Array, "*p samples 3"]
    hand: Bool[Array, "*p samples"]
    func: Bool[Array, "*p samples"]
    object_samples: Float[Array, "*p batches 3 samples_tested"]
    sample_weight: Float[Array, "*p"]
    prior: Float[Array, "*p vertices"]
    key_points: Float[Array, "*p 4 pads"]
    weights: Float[Array, "*p terms"]
    tolerance: Float[Array, "*p"]


class Measured(NamedTuple):
    """Distances of one grasp, metres, and the object's normals at the finger pads."""

    to_hand: Float[Array, " vertices"]
    to_func: Float[Array, " vertices"]
    phi: Float[Array, " vertices"]
    pad_phi: Float[Array, " pads"]
    pad_normal: Float[Array, "pads 3"]


def clouds(objects: Sequence[ObjectModel], problems: Sequence[Problem]) -> Cloud:
    """The clouds of many tasks, stacked; all objects have the same number of samples."""
    each = [
        (
            p.points, obj.samples.normals @ p.field.R_field_obj.T, p.hand_mask, p.func_mask,
            p.object_samples, p.sample_weight, p.prior[p.kind], p.key_points, p.weights, p.tolerance,
        )
        for obj, p in zip(objects, problems, strict=True)
    ]  # fmt: skip
    columns = [np.stack([np.asarray(x) for x in column]) for column in zip(*each, strict=True)]
    return Cloud(*(jnp.asarray(x if x.dtype == bool else x.astype(np.float32)) for x in columns))


class Search(NamedTuple):
    """How to look for nearest samples: results are the same, speed is the device's affair.

    Attributes:
      grasps: at a time.
      tile: points of a grasp that meet all samples at once.
      argmin: by XLA's argmin, which on a CPU is no vector loop, or by least value and then its place.
    """

    grasps: int
    tile: int
    argmin: bool


#: What is tried on a CPU, whose cache holds one tile, and elsewhere; argmin took a CPU ten times longer.
SEARCHES_ON_CPU = (Search(1, 83, False),)
SEARCHES = (Search(128, 4096, False), Search(128, 4096, True))


def nearest(cloud: Cloud, points: Float[Array, "n 3"], search: Search) -> Int[Array, "3 n"]:
    """Number of the nearest sample of M_hand, of P_func and of all: argmin_i |x - p_i|^2.

    Args:
      cloud: of one task.
      points: x.
      search: how.
    """
    number = jnp.arange(len(cloud.points), dtype=jnp.int32)[None]
    p = cloud.points.T
    # 0 where a sample counts, infinite where not: an addition is cheaper than a choice for every pair
    beyond = [jnp.where(m, 0.0, jnp.inf)[None] for m in (cloud.hand, cloud.func)]

    def meet(x: Array) -> Array:
        gap2 = square(tuple(x[:, k, None] - p[None, k] for k in range(3)))
        found = []
        for d in (gap2 + beyond[0], gap2 + beyond[1], gap2):
            if search.argmin:
                found.append(jnp.argmin(d, axis=1).astype(jnp.int32))
                continue
            least = jnp.min(d, axis=1, keepdims=True)
            found.append(jnp.min(jnp.where(d == least, number, len(cloud.points)), axis=1))
        return jnp.stack(found)

    n, tile = len(points), search.tile
    if tile >= n:
        return meet(points)
    tiles = -(-n // tile)
    padded = jnp.pad(points, ((0, tiles * tile - n), (0, 0)), mode="edge")
    each = jax.lax.map(meet, padded.reshape(tiles, tile, 3))
    return jnp.transpose(each, (1, 0, 2)).reshape(3, -1)[:, :n]


def measure(
    cloud: Cloud, skin: Float[Array, "v 3"], pad: Float[Array, "p 3"], chosen: Int[Array, "3 v_and_p"]
) -> Measured:
    """d = |x - p| to the chosen samples, and phi = n_q . (x - q) with q the nearest sample of all."""
    v = len(skin)

    def away(x: Array, which: Array) -> Array:
        d = x - cloud.points[which]
        return jnp.sqrt(jnp.maximum(jnp.sum(d * d, axis=1), 1e-20))

    normal = cloud.normals[chosen[2]]
    phi = jnp.sum(normal * (jnp.concatenate([skin, pad]) - cloud.points[chosen[2]]), axis=1)
    return Measured(away(skin, chosen[0, :v]), away(skin, chosen[1, :v]), phi[:v], phi[v:], normal[v:])


def hand_points(hand: HandModel, v: Variables) -> tuple[Array, Array, Array]:
    """Skin vertices, spheres (in the order of `variables.layout`) and pads of one grasp, [n, 3] each."""
    links, sphere = kinematics(hand, v).links, layout(hand).sphere
    local = (
        (hand.skin_link, hand.p_link_skin),
        (hand.sphere_link[sphere], hand.p_link_sphere[sphere]),
        (hand.pad_link, hand.p_link_pad),
    )
    skin, ball, pad = (place(links, link, jnp.asarray(p, jnp.float32)) for link, p in local)
    return skin, ball, pad


def terms(
    hand: HandModel,
    cloud: Cloud,
    v: Variables,
    points: tuple[Array, Array, Array],
    at: Measured,
    batch: Int[Array, ""] | None,
) -> Float[Array, " terms"]:
    """All energies of one grasp, unweighted, in the order of `TERMS`, from measured distances.

    Args:
      hand: static.
      cloud: of its task.
      v: G, for the joint limits.
      points: from `hand_points`.
      at: of these points.
      batch: the batch of object samples that is tested; all of them if None.
    """
    body = layout(hand)
    func, rest, every = (jnp.asarray(m) for m in body.mean_weight)
    _, ball, pad = points
    each = cloud.object_samples
    sample = _parts(jnp.transpose(each, (1, 0, 2)).reshape(3, -1).T if batch is None else each[batch].T)
    weight = cloud.sample_weight / (each.shape[0] if batch is None else 1)
    radius, few = jnp.asarray(body.radius), _parts(ball[: len(body.min_distance)])
    nearest = look_ups.nearest_spheres(sample, _parts(jax.lax.stop_gradient(ball)), radius)
    mask = jnp.ones_like(at.phi)
    found = all_terms(
        Readings(
            SkinDistances(
                at.phi, at.to_hand, at.to_func, cloud.prior, mask, func, rest, every, cloud.tolerance
            ),
            look_ups.sphere_gaps(few, few, jnp.asarray(body.min_distance)),
            look_ups.object_samples(sample, _parts(ball[nearest]), radius[nearest], weight, cloud.tolerance),
            Fingertips(
                _parts(pad),
                _parts(at.pad_normal),
                at.pad_phi,
                jnp.ones_like(at.pad_phi),
                _parts(cloud.key_points.T),
                cloud.key_points[3],
            ),
            joints(hand, v),
        )
    )
    return jnp.where(is_sound(v), found, jnp.nan)


def total(
    hand: HandModel,
    cloud: Cloud,
    v: Variables,
    chosen: Int[Array, "3 n"],
    batch: Int[Array, ""] | None,
) -> Float[Array, ""]:
    """E of eq. 8 with pairwise distances to the chosen samples; its gradient goes through them alone.

    Args:
      hand, cloud, v, batch: see `terms`.
      chosen: from `nearest`, of skin vertices and pads.
    """
    points = hand_points(hand, v)
    at = measure(cloud, points[0], points[2], chosen)
    return jnp.sum(cloud.weights * terms(hand, cloud, v, points, at, batch))


def _parts(x: Array) -> tuple[Array, Array, Array]:
    return x[:, 0], x[:, 1], x[:, 2]
