"""Eq. 8 of one grasp in plain XLA, E(v) = Σ_k λ_k E_k(v), and its gradient; vmap for a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from zdg_jax._ptx import fma
from zdg_jax.hands.kinematics import Chain
from zdg_jax.hands.model import HandModel, posture_rows
from zdg_jax.objects.sdf.query import (
    Components,
    Grid,
    ReadRow,
    entry_reader,
    locate,
    regions,
    row_reader,
    signed,
)
from zdg_jax.refine.energies import (
    TERMS,
    Fingertips,
    Joints,
    ObjectSamples,
    Readings,
    SkinDistances,
    SphereGaps,
    all_terms,
    functions_of,
    group_energy,
)
from zdg_jax.refine.problem import Tables, Targets
from zdg_jax.refine.seams import attached, distance, pair_excess, pair_gaps, with_gradients
from zdg_jax.refine.variables import SPHERE_BITS, Variables, is_sound, kinematics, layout, place_all

# What one grasp measures, group by group: from points of the hand to what energies read.
#
# Every function takes component arrays and is differentiable by the hand's points, at the seams of `seams`.
# It traces alike under XLA, for all points of a grasp, and inside the GPU kernel, for a tile of them.
#: Half the step of the difference that gives the object's normal at a pad, metres.
NORMAL_STEP = 0.002
#: Columns: the pad itself, then one step along +x +y +z -x -y -z, then nothing.
_STEPS = np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3), np.zeros((1, 3))])


class Fields(NamedTuple):
    """How to look up one object and one task."""

    grid: Grid
    read_entry: Callable[[Array], Array]
    read_row: ReadRow
    read_region: ReadRow


class SkinRows(NamedTuple):
    """What belongs to each skin vertex, wherever it is; see `energies.SkinDistances`."""

    prior: Float[Array, " n"]
    mask: Float[Array, " n"]
    mean_func: Float[Array, " n"]
    mean_rest: Float[Array, " n"]
    mean_all: Float[Array, " n"]


def skin_distances(fields: Fields, point: Components, rows: SkinRows, tolerance: Array) -> SkinDistances:
    """phi, and the distances to both regions, of skin vertices.

    Args:
      fields: of this object and task.
      point: vertices, field frame, metres.
      rows: of these vertices.
      tolerance: depth that skin may give way, metres.
    """
    at = locate(fields.grid, _constant(point))
    phi, n_phi = signed(fields.grid, fields.read_entry, fields.read_row, at)
    (to_hand, n_hand), (to_func, n_func) = regions(fields.grid, fields.read_region, at)
    phi, to_hand, to_func = with_gradients((phi, to_hand, to_func), (n_phi, n_hand, n_func), point)
    return SkinDistances(phi, to_hand, to_func, *rows, tolerance)


def sphere_gaps(a: Components, b: Components, min_distance: Float[Array, "a b"]) -> SphereGaps:
    """Gaps of spheres `a` to `b`, all spheres of E_spen, differentiable by `a` for both."""
    return SphereGaps(pair_gaps(a, b), min_distance)


def object_samples(
    sample: Components, center: Components, radius: Float[Array, " n"], weight: Array, tolerance: Array
) -> ObjectSamples:
    """psi(o) = |o - x| - r of object samples o, differentiable by the centres.

    Args:
      sample: o, field frame, metres.
      center, radius: of the sphere that reaches furthest over each.
      weight: how many samples one stands for.
      tolerance: see `skin_distances`.
    """
    gap = distance(center, sample)
    return ObjectSamples(gap - radius, weight * jnp.ones_like(gap), tolerance)


def fingertips(
    fields: Fields, pad: Components, mask: Float[Array, " p"], target: Components, reach: Float[Array, " p"]
) -> Fingertips:
    """phi at every finger pad and the object's normal there, by central differences of phi; 8 look-ups.

    Args:
      fields: of this object and task.
      pad: finger pads, field frame, metres.
      mask, target, reach: see `energies.Fingertips`.
    """
    step = jnp.arange(8)
    shift = tuple(_pick(step, _STEPS[:, k]) * NORMAL_STEP for k in range(3))
    around = tuple(p[:, None] + s[None, :] for p, s in zip(_constant(pad), shift, strict=True))
    phi, slope = signed(fields.grid, fields.read_entry, fields.read_row, locate(fields.grid, around))
    own = (step == 0).astype(phi.dtype)[None, :]
    normal = tuple(jnp.sum(phi * (s / NORMAL_STEP)[None, :], axis=1) for s in shift)
    length = jnp.maximum(jnp.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2), 1e-9)
    nx, ny, nz = (n / length for n in normal)
    gradient = tuple(jnp.sum(s * own, axis=1) for s in slope)
    (at_pad,) = with_gradients((jnp.sum(phi * own, axis=1),), (gradient,), pad)
    (x, y, z), (px, py, pz) = pad, target
    return Fingertips((x, y, z), (nx, ny, nz), at_pad, mask, (px, py, pz), reach)


def sphere_keys(
    sample: Components, sphere: Components, radius: Array, number: Array, max_radius: float | Array
) -> Int[Array, "a b"]:
    """Sortable integers, least for the sphere that reaches furthest over the sample: |o - x| - r + c.

    The lowest SPHERE_BITS hold the sphere's number, so that one minimum finds distance and sphere. The
    square is multiplied out: off by 1e-8 m^2, which decides between spheres, never how deep the sample lies.

    Args:
      sample: object points, along one axis of two.
      sphere, radius, number: centres, radii and numbers, along the other.
      max_radius: the greatest radius of all; c is a little more, so that no value is negative.
    """
    far, near = jnp.zeros_like(radius), jnp.zeros_like(sample[0])
    for p, q in zip(sample, sphere, strict=True):
        far, near = fma(q, q, far), fma(p, p, near)
    gap2 = near + far
    for p, q in zip(sample, sphere, strict=True):
        gap2 = fma(p, -2.0 * q, gap2)
    gap2 = jnp.maximum(gap2, 1e-12)
    reach = fma(gap2, jax.lax.rsqrt(gap2), 1.1 * max_radius - radius)
    bits = jax.lax.bitcast_convert_type(reach.astype(jnp.float32), jnp.int32)
    return (bits & ~((1 << SPHERE_BITS) - 1)) | number


def nearest_spheres(sample: Components, sphere: Components, radius: Float[Array, " s"]) -> Int[Array, " n"]:
    """Number of the sphere that reaches furthest over each sample."""
    rows, columns = (tuple(x[:, None] for x in sample), tuple(x[None, :] for x in sphere))
    number = jnp.arange(len(radius))[None, :]
    keys = sphere_keys(rows, columns, radius[None, :], number, jnp.max(radius))
    return jnp.min(keys, axis=1) & ((1 << SPHERE_BITS) - 1)


def _constant(point: Components) -> Components:
    return tuple(jax.lax.stop_gradient(x) for x in point)


def _pick(index: Array, values: np.ndarray) -> Array:
    """values[index] by comparisons: a kernel holds no constant arrays."""
    out = jnp.zeros(index.shape, jnp.float32)
    for k, v in enumerate(values):
        if v:
            out = jnp.where(index == k, float(v), out)
    return out


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
    fields = Fields(
        target.grid, entry_reader(tables.entries), row_reader(tables.rows), row_reader(tables.regions)
    )
    placed = jnp.split(place_all(at.links, body.placing), np.cumsum(body.counts)[:-1], axis=1)
    skin, sphere, pad = ((part[0], part[1], part[2]) for part in placed)
    few, radius = len(body.min_distance), jnp.asarray(body.radius)
    sample, sample_weight = _samples(target, batch)
    nearest = nearest_spheres(sample, sphere, radius)
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
    rows = SkinRows(prior, jnp.ones_like(prior), func, rest, every)
    x, y, z, reach = target.key_points
    return Readings(
        skin_distances(fields, skin, rows, target.tolerance),
        sphere_gaps(spheres, spheres, jnp.asarray(body.min_distance)),
        object_samples(sample, center, radius[nearest], sample_weight, target.tolerance),
        fingertips(fields, pad, jnp.ones_like(pad[0]), (x, y, z), reach),
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
