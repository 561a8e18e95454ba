"""What the GPU kernel measures and how hard eq. 8 pushes each point: dE/dp, written out.

Every function takes component arrays of one grasp. `seams` and `measure` do the same for plain XLA.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zdg_jax._ptx import fma
from zdg_jax.objects.lookup import Components, locate, regions, signed
from zdg_jax.refine import energies as en
from zdg_jax.refine.hand_points import SPHERE_BITS
from zdg_jax.refine.measure import _STEPS, NORMAL_STEP, Fields, _pick, sphere_keys
from zdg_jax.refine.seams import square

__all__ = ["SPHERE_BITS", "Fields", "sphere_keys", "square"]


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
        at = en.SkinDistances(phi, to_hand, to_func, prior, exists, func, rest, every, weights.tolerance)
        terms = (en.contact_func(at), en.contact_rest(at), en.contact_map(at), en.skin_penetration(at))
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
    energy, back = jax.vjp(lambda g: en.self_penetration(en.SphereGaps(g, touch)), gap)
    (slope,) = back(2.0 * weights.lam[4] * jnp.ones_like(energy))
    pull = slope * shrink
    x, y, z = (jnp.sum(pull * d, axis=1) for d in away)
    return energy, (x, y, z)


def push_probes(
    weights: Weights, probe: Components, center: Components, radius: Float[Array, " n"]
) -> tuple[Array, Components]:
    """The object's part of E_pen, psi(o) = |o - x| - r, and dE/dx of the sphere nearest to each probe."""
    away = tuple(q - p for p, q in zip(probe, center, strict=True))
    gap = jnp.sqrt(jnp.maximum(square(away), 1e-10))
    weight = weights.probe * jnp.ones_like(gap)
    psi = gap - radius
    energy, back = jax.vjp(
        lambda d: en.sample_penetration(en.ObjectSamples(d, weight, weights.tolerance)), psi
    )
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
        return en.force_closure(en.Fingertips((x, y, z), (nx, ny, nz), phi, exists))

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


def _weighted(terms: tuple[Array, ...], lam: tuple[Array, ...]) -> Array:
    total = jnp.zeros_like(terms[0])
    for term, weight in zip(terms, lam, strict=True):
        total = total + weight * term
    return total
