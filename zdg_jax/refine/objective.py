"""Eq. 8 of one grasp in plain XLA, E(v) = Σ_k λ_k E_k(v), and its gradient; vmap for a batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from zdg_jax.hands.kinematics import Chain
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.posture import posture_rows
from zdg_jax.objects.sdf.query import Components, entry_reader, row_reader
from zdg_jax.refine import measure
from zdg_jax.refine.energies import TERMS, Joints, Readings, all_terms, functions_of, group_energy
from zdg_jax.refine.hand_points import layout, place_all
from zdg_jax.refine.problem import Tables, Targets
from zdg_jax.refine.seams import attached, pair_excess
from zdg_jax.refine.variables import Variables, is_sound, kinematics


def energy(
    hand: HandModel,
    tables: Tables,
    target: Targets,
    v: Variables,
    at: Chain,
    batch: Int[Array, ""] | None = None,
) -> Float[Array, ""]:
    """E(v) = Σ_k λ_k E_k(v) (eq. 8).

    Args:
      hand: static.
      tables: shared by the batch.
      target: this grasp's task.
      v: G.
      at: `kinematics` of v; a derivative by v goes through the seams alone.
      batch: the batch of object samples that is tested; all of them if None.
    """
    return jnp.sum(target.weights * terms(hand, tables, target, v, at, batch))


def gradient(
    hand: HandModel, tables: Tables, target: Targets, v: Variables, batch: Int[Array, ""] | None = None
) -> Variables:
    """dE/dv; NaN where v is not finite. See `energy`."""
    slope = jax.grad(energy, argnums=3)(hand, tables, target, v, kinematics(hand, v), batch)
    return jax.tree.map(lambda x: jnp.where(is_sound(v), x, jnp.nan), slope)


def terms(
    hand: HandModel,
    tables: Tables,
    target: Targets,
    v: Variables,
    at: Chain,
    batch: Int[Array, ""] | None = None,
) -> Float[Array, " terms"]:
    """E_1..E_K, unweighted, in the order of `energies.TERMS`; NaN where v is not finite. See `energy`."""
    found = all_terms(readings(hand, tables, target, v, at, batch))
    return jnp.where(is_sound(v), found, jnp.nan)


def readings(
    hand: HandModel,
    tables: Tables,
    target: Targets,
    v: Variables,
    at: Chain,
    batch: Int[Array, ""] | None = None,
) -> Readings:
    """What the terms read of one grasp. See `energy`."""
    body = layout(hand)
    fields = measure.Fields(
        target.grid, entry_reader(tables.entries), row_reader(tables.rows), row_reader(tables.regions)
    )
    placed = jnp.split(place_all(at.links, body.placing), np.cumsum(body.counts)[:-1], axis=1)
    skin, sphere, pad = ((part[0], part[1], part[2]) for part in placed)
    few, radius = len(body.min_distance), jnp.asarray(body.radius)
    sample, sample_weight = _samples(target, batch)
    nearest = measure.nearest_spheres(sample, sphere, radius)
    of_link = jnp.asarray(body.sphere_to_link)
    moving: Any = attached(
        hand,
        v,
        at,
        (skin, tuple(x[:few] for x in sphere), pad, tuple(x[nearest] for x in sphere)),
        (jnp.asarray(body.skin_to_link), of_link[:few], jnp.asarray(body.pad_to_link), of_link[nearest]),
    )
    skin, spheres, pad, center = moving
    prior, (func, rest, every) = target.prior, (jnp.asarray(m) for m in body.mean_weight)
    rows = measure.SkinRows(prior, jnp.ones_like(prior), func, rest, every)
    return Readings(
        measure.skin_distances(fields, skin, rows, target.tolerance),
        measure.sphere_gaps(spheres, spheres, jnp.asarray(body.min_distance)),
        measure.object_samples(sample, center, radius[nearest], sample_weight, target.tolerance),
        measure.fingertips(fields, pad, jnp.ones_like(pad[0])),
        joints(hand, v),
    )


def joints(hand: HandModel, v: Variables) -> Joints:
    """Angles of the active joints, their limits, and those they set each other."""
    lower, upper = (jnp.asarray(x, jnp.float32) for x in (hand.lower, hand.upper))
    rows = posture_rows(hand.posture, len(hand.active_names))
    own, other, bound, share = (
        jnp.asarray(x, jnp.float32) for x in (rows.own, rows.other, rows.bound, rows.weight)
    )
    excess = pair_excess(v.joints, v.joints[rows.partner], own, other, bound, share)
    return Joints(v.joints, lower, upper, jnp.ones_like(v.joints), excess, share)


def joints_terms(hand: HandModel, v: Variables) -> Float[Array, " terms"]:
    """What the joints themselves add to every term; NaN where v is not finite."""
    found = jnp.zeros(len(TERMS))
    for k, function in functions_of("joints"):
        found = found.at[k].add(function(joints(hand, v)))
    return jnp.where(is_sound(v), found, jnp.nan)


def joints_gradient(
    hand: HandModel, v: Variables, weights: Float[Array, " terms"]
) -> Float[Array, " active"]:
    """dE/dtheta of the terms that read the joints themselves."""
    slope = jax.grad(lambda v: group_energy("joints", joints(hand, v), weights)[0])(v)
    return slope.joints


def _samples(target: Targets, batch: Int[Array, ""] | None) -> tuple[Components, Array]:
    """Object samples to test, and how many each stands for."""
    every = target.object_samples
    if batch is None:
        rows = jnp.transpose(every, (1, 0, 2)).reshape(3, -1)
        return (rows[0], rows[1], rows[2]), target.sample_weight / every.shape[0]
    rows = every[batch]
    return (rows[0], rows[1], rows[2]), target.sample_weight
