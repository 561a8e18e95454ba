"""Refinement without look-ups: every distance from all surface samples, as GraspTTA and DexGraspNet do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from zdg_jax.hands.kinematics import place
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine import energies as en
from zdg_jax.refine import objective as ob
from zdg_jax.refine import pushes
from zdg_jax.refine.objective import Variables
from zdg_jax.refine.problem import Problem


class Cloud(NamedTuple):
    """What one task is refined against (a leading axis `p` for many); field frame, metres.

    Attributes:
      points, normals: all surface samples with outward unit normals.
      hand, func: which of them are M_hand^3d and P_func^3d.
      probes, probe_weight, prior, weights, tolerance: see `refine.targets.Targets`.
    """

    points: Float[Array, "*p samples 3"]
    normals: Float[Array, "*p samples 3"]
    hand: Bool[Array, "*p samples"]
    func: Bool[Array, "*p samples"]
    probes: Float[Array, "*p batches 3 probes"]
    probe_weight: Float[Array, "*p"]
    prior: Float[Array, "*p vertices"]
    weights: Float[Array, "*p 7"]
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
            p.probes, p.probe_weight, p.prior, p.weights, p.tolerance,
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
        square = pushes.square(tuple(x[:, k, None] - p[None, k] for k in range(3)))
        found = []
        for d in (square + beyond[0], square + beyond[1], square):
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
    """Skin vertices, spheres (in the order of `objective.layout`) and pads of one grasp, [n, 3] each."""
    links, sphere = ob.kinematics(hand, v).links, ob.layout(hand).sphere
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
) -> Float[Array, "7"]:
    """The seven energies of one grasp, unweighted, in the order of `TERMS`, from measured distances.

    Args:
      hand: static.
      cloud: of its task.
      v: G, for the joint limits.
      points: from `hand_points`.
      at: of these points.
      batch: the batch of object probes that is tested; all of them if None.
    """
    body = ob.layout(hand)
    func, rest, every = (jnp.asarray(s) for s in body.share)
    _, ball, pad = points
    probe = jnp.transpose(cloud.probes, (1, 0, 2)).reshape(3, -1) if batch is None else cloud.probes[batch]
    share = cloud.probe_weight / (cloud.probes.shape[0] if batch is None else 1)
    weights = pushes.Weights(tuple(cloud.weights[k] for k in range(7)), cloud.tolerance, share)
    closest = jnp.where(func > 0.0, jnp.minimum(at.to_hand, at.to_func), at.to_hand)
    outside = en.e_penetration(at.phi, jnp.ones_like(at.phi), cloud.tolerance)
    radius, thins = jnp.asarray(body.radius), len(body.touch)
    sphere, probes = _parts(ball), (probe[0], probe[1], probe[2])
    fixed = _parts(jax.lax.stop_gradient(ball))
    keys = ob.sphere_keys(probes, fixed, radius)
    touched = jnp.min(keys, axis=1) & ((1 << pushes.SPHERE_BITS) - 1)
    center = (sphere[0][touched], sphere[1][touched], sphere[2][touched])
    inside, _ = pushes.push_probes(weights, probes, center, radius[touched])
    thin = _parts(ball[:thins])
    overlap, _ = pushes.push_overlap(weights, thin, thin, jnp.asarray(body.touch))
    touching = jnp.exp(-((jnp.maximum(at.pad_phi, 0.0) / pushes.PAD_REACH) ** 2))
    six = jnp.stack([
        en.e_contact(at.to_func, cloud.prior, func),
        en.e_contact(at.to_hand, cloud.prior, rest),
        en.e_contact_map(closest, cloud.prior, every),
        outside + inside,
        overlap,
        en.e_force_closure(_parts(pad), _parts(at.pad_normal), touching),
    ])  # fmt: skip
    none = jnp.zeros((len(hand.link_names), 3))
    return ob.all_terms(hand, v, ob.Pushed(six, none, none))


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
