"""What each part of the hand measures and how hard eq. 8 pushes it: dE/dp on its points.

Every function takes component arrays of one grasp and traces alike under XLA and inside the GPU kernel:
energies are those of `energies`, their derivatives by what was measured come from `jax.vjp`, and the rest
of the chain rule (field gradient, direction between points) is written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from zdg_jax._ptx import fma
from zdg_jax.objects.lookup import Components, Lattice, ReadRow, locate, regions, signed
from zdg_jax.refine import energies as en

#: Distance over which a finger pad counts as touching in E_fc, metres.
PAD_REACH = 0.01
#: Half the step of the difference that gives the object's normal at a pad, metres.
NORMAL_STEP = 0.002
#: Columns: the pad itself, then one step along +x +y +z -x -y -z, then nothing.
_STEPS = np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3), np.zeros((1, 3))])
#: Low bits of a distance that hold the number of its sphere.
SPHERE_BITS = 9


class Fields(NamedTuple):
    """How to look up one object and one task."""

    lattice: Lattice
    read_entry: Callable[[Array], Array]
    read_row: ReadRow
    read_region: ReadRow


class Weights(NamedTuple):
    """lambda_1..7 of eq. 8 as scalars and what else scales a term (see `Targets`)."""

    lam: tuple[Array, ...]
    tolerance: Array
    probe: Array


def push_skin(
    fields: Fields,
    weights: Weights,
    point: Components,
    prior: Float[Array, " n"],
    share: tuple[Array, ...],
    exists: Float[Array, " n"],
) -> tuple[tuple[Array, Array, Array, Array], Components]:
    """E_cont_func, E_cont_unf, E_cmap and the skin's part of E_pen, and dE/dp of every skin vertex.

    Args:
      fields, weights: of this task.
      point: skin vertices, field frame, metres.
      prior: C_j.
      share: weight of a vertex in the means of eq. 6, eq. 7 and E_cmap.
      exists: 1, or 0 for padding.
    """
    func, rest, every = share
    at = locate(fields.lattice, point)
    phi, n_phi = signed(fields.lattice, fields.read_entry, fields.read_row, at)
    (to_hand, n_hand), (to_func, n_func) = regions(fields.lattice, fields.read_region, at)

    def energy(phi: Array, to_hand: Array, to_func: Array):
        nearest = jnp.where(func > 0.0, jnp.minimum(to_hand, to_func), to_hand)
        terms = (
            en.e_contact(to_func, prior, func),
            en.e_contact(to_hand, prior, rest),
            en.e_contact_map(nearest, prior, every),
            en.e_penetration(phi, exists, weights.tolerance),
        )
        return _weighted(terms, weights.lam[:4]), terms

    total, back, terms = jax.vjp(energy, phi, to_hand, to_func, has_aux=True)
    g_phi, g_hand, g_func = back(jnp.ones_like(total))
    x, y, z = (
        fma(g_phi, a, fma(g_hand, b, g_func * c)) for a, b, c in zip(n_phi, n_hand, n_func, strict=True)
    )
    return terms, (x, y, z)


def push_overlap(
    weights: Weights, a: Components, b: Components, touch: Float[Array, "a b"]
) -> tuple[Array, Components]:
    """E_spen of spheres `a` against `b`, and dE/dx of `a`; `b` are all spheres, so each pair stands twice."""
    away = tuple(p[:, None] - q[None, :] for p, q in zip(a, b, strict=True))
    gap2 = jnp.maximum(square(away), 1e-10)
    shrink = jax.lax.rsqrt(gap2)
    gap = gap2 * shrink
    energy, back = jax.vjp(lambda g: en.e_self_penetration(g, touch), gap)
    (slope,) = back(2.0 * weights.lam[4] * jnp.ones_like(energy))
    pull = slope * shrink
    x, y, z = (jnp.sum(pull * d, axis=1) for d in away)
    return energy, (x, y, z)


def sphere_keys(
    probe: Components, sphere: Components, radius: Array, number: Array, most: float | Array
) -> Int[Array, "a b"]:
    """Sortable integers, least for the sphere that reaches furthest over the probe: |o - x| - r + c.

    The lowest SPHERE_BITS hold the sphere's number, so that one minimum finds distance and sphere. The
    square is multiplied out: off by 1e-8 m^2, which decides between spheres, never how deep the probe lies.

    Args:
      probe: object points, along one axis of two.
      sphere, radius, number: centres, radii and numbers, along the other.
      most: the greatest radius of all; c is a little more, so that no value is negative.
    """
    far, near = jnp.zeros_like(radius), jnp.zeros_like(probe[0])
    for p, q in zip(probe, sphere, strict=True):
        far, near = fma(q, q, far), fma(p, p, near)
    gap2 = near + far
    for p, q in zip(probe, sphere, strict=True):
        gap2 = fma(p, -2.0 * q, gap2)
    gap2 = jnp.maximum(gap2, 1e-12)
    reach = fma(gap2, jax.lax.rsqrt(gap2), 1.1 * most - radius)
    bits = jax.lax.bitcast_convert_type(reach, jnp.int32)
    return (bits & ~((1 << SPHERE_BITS) - 1)) | number


def push_probes(
    weights: Weights, probe: Components, center: Components, radius: Float[Array, " n"]
) -> tuple[Array, Components]:
    """The object's part of E_pen, psi(o) = |o - x| - r, and dE/dx of the sphere nearest to each probe."""
    away = tuple(q - p for p, q in zip(probe, center, strict=True))
    gap = jnp.sqrt(jnp.maximum(square(away), 1e-10))
    weight = weights.probe * jnp.ones_like(gap)
    energy, back = jax.vjp(lambda d: en.e_penetration(d, weight, weights.tolerance), gap - radius)
    (slope,) = back(weights.lam[3] * jnp.ones_like(energy))
    pull = slope / gap
    x, y, z = (pull * d for d in away)
    return energy, (x, y, z)


def push_pads(
    fields: Fields, weights: Weights, pad: Components, exists: Float[Array, " p"]
) -> tuple[Array, Components]:
    """E_fc and dE/dp of every finger pad; normals by central differences of phi, held constant."""
    step = jnp.arange(8)
    shift = tuple(_pick(step, _STEPS[:, k]) * NORMAL_STEP for k in range(3))
    around = tuple(p[:, None] + s[None, :] for p, s in zip(pad, shift, strict=True))
    phi, slope = signed(fields.lattice, fields.read_entry, fields.read_row, locate(fields.lattice, around))
    own = (step == 0).astype(phi.dtype)[None, :]
    normal = tuple(jnp.sum(phi * (s / NORMAL_STEP)[None, :], axis=1) for s in shift)
    length = jnp.maximum(jnp.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2), 1e-9)
    nx, ny, nz = (n / length for n in normal)

    def energy(x: Array, y: Array, z: Array, phi: Array) -> Array:
        touching = exists * jnp.exp(-((jnp.maximum(phi, 0.0) / PAD_REACH) ** 2))
        return en.e_force_closure((x, y, z), (nx, ny, nz), touching)

    value, back = jax.vjp(energy, *pad, jnp.sum(phi * own, axis=1))
    *direct, g_phi = back(weights.lam[5] * jnp.ones_like(value))
    x, y, z = (g + g_phi * jnp.sum(s * own, axis=1) for g, s in zip(direct, slope, strict=True))
    return value, (x, y, z)


def moment(point: Components, force: Components) -> Components:
    """p x f."""
    (x, y, z), (a, b, c) = point, force
    return fma(y, c, -z * b), fma(z, a, -x * c), fma(x, b, -y * a)


def reaches(a: Components, b: Components, least: Float[Array, "a b"], own: bool = True) -> Array:
    """least + 2 a.b - |a|^2 of all pairs: with least = r^2 - |b|^2 it is r^2 - |a - b|^2.

    The square is multiplied out, one instruction an axis; off by 1e-8 m^2.

    Args:
      a, b: points.
      least: of every pair.
      own: subtract |a|^2; without, the caller has it in `least`, or subtracts |b|^2.
    """
    found = least
    for p, q in zip(a, b, strict=True):
        found = fma((2.0 * p)[:, None], q[None, :], found)
    return found - square(a)[:, None] if own else found


def square(v: tuple[Array, ...]) -> Array:
    """|v|^2 of component arrays."""
    x, y, z = v
    return fma(x, x, fma(y, y, z * z))


def _weighted(terms: tuple[Array, ...], lam: tuple[Array, ...]) -> Array:
    total = jnp.zeros_like(terms[0])
    for term, weight in zip(terms, lam, strict=True):
        total = total + weight * term
    return total


def _pick(index: Array, values: np.ndarray) -> Array:
    """values[index] by comparisons: a kernel holds no constant arrays."""
    out = jnp.zeros(index.shape, jnp.float32)
    for k, v in enumerate(values):
        if v:
            out = jnp.where(index == k, float(v), out)
    return out
