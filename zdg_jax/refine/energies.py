"""Eq. 8, E(v) = Σ_k λ_k E_k(v): its terms, what each reads, and the one list of them, `TERMS`.

A term is one pure function of what was measured of one grasp; what it reads is its group. Whoever adds a
function of a group to `TERMS` has a new term, in plain XLA and in the GPU kernel, in the report and in the
files: both paths differentiate the sum over each group by what the group reads (docs/gradient.md).

The paper defines E_cont (eqs. 6, 7) and names the next five, which are ours, in the spirit of GraspTTA and
DexGraspNet; E_post and E_point are not the paper's.
Lengths are in metres. A kernel hands in a group a tile at a time and adds up what the tiles give, so a term
of skin, spheres or object samples is a sum over them, and padding must add nothing (`mask`, weights of 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zdg_jax.errors import UserError
from zdg_jax.refine.config import WEIGHTS

#: Steepness of the contact map, 1/m: c falls from 1 to 0.24 over one centimetre.
CONTACT_STEEPNESS = 100.0
#: Unit of E_spen, metres.
OVERLAP_UNIT = 0.002
#: Makes the torque in E_fc comparable to the force, metres.
TORQUE_ARM = 0.1
#: Squared sum of pad weights from which on E_fc counts balance.
LEAST_CONTACT = 0.5
#: Distance over which a finger pad counts as touching in E_fc, metres.
PAD_REACH = 0.01

Vector = tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]


class SkinDistances(NamedTuple):
    """Group "skin": the hand's skin vertices against the object.

    Attributes:
      phi: signed distance to the object, positive outside.
      to_hand, to_func: distance to M_hand^3d and to P_func^3d.
      prior: C_j, contact probability.
      mask: 1 for a vertex, 0 for padding.
      mean_func, mean_rest, mean_all: a vertex's weight in the mean over the functional fingers, over the
        other vertices and over all: 1/n for those n that count, else 0.
      tolerance: depth that soft skin may give way.
    """

    phi: Float[Array, " n"]
    to_hand: Float[Array, " n"]
    to_func: Float[Array, " n"]
    prior: Float[Array, " n"]
    mask: Float[Array, " n"]
    mean_func: Float[Array, " n"]
    mean_rest: Float[Array, " n"]
    mean_all: Float[Array, " n"]
    tolerance: Float[Array, ""]


class SphereGaps(NamedTuple):
    """Group "spheres": pairs of the hand's own spheres, each pair both ways; terms are symmetric in a and b.

    Attributes:
      gap: |x_a - x_b|.
      min_distance: r_a + r_b where the pair counts, at most 0 where it does not. The kernel hands in only
        rows of which some pair overlaps: a term is 0 beyond it.
    """

    gap: Float[Array, "a b"]
    min_distance: Float[Array, "a b"]


class ObjectSamples(NamedTuple):
    """Group "samples": samples of the object's surface against the hand's spheres.

    Attributes:
      psi: signed distance to the hand, |o - x| - r for the sphere that reaches furthest over the sample. The
        kernel hands in only tiles of which some sample lies inside a sphere: a term is 0 outside.
      weight: how many of the object's samples one stands for.
      tolerance: as for the skin.
    """

    psi: Float[Array, " n"]
    weight: Float[Array, " n"]
    tolerance: Float[Array, ""]


class Fingertips(NamedTuple):
    """Group "fingertips": the finger pads at the object.

    Attributes:
      point: pads, field frame.
      normal: the object's outward unit normals there; constant, as in DexGraspNet's E_fc.
      phi: signed distance to the object.
      mask: 1 for a pad, 0 for padding.
      target: key point of each pad, field frame.
      reach: how far from it a pad may lie; a kilometre for one that has none.
    """

    point: Vector
    normal: Vector
    phi: Float[Array, " n"]
    mask: Float[Array, " n"]
    target: Vector
    reach: Float[Array, " n"]


class Joints(NamedTuple):
    """Group "joints": the active joints, radians.

    Attributes:
      angle, lower, upper: and their limits.
      mask: 0 for padding.
      excess: of the limits that joints set each other (`HandModel.posture`), by joint; above 0 where one is
        not kept.
      share: of each, in the sum: 1/2 for one that stands at two joints, 0 for padding.
    """

    angle: Float[Array, " active"]
    lower: Float[Array, " active"]
    upper: Float[Array, " active"]
    mask: Float[Array, " active"]
    excess: Float[Array, "rows active"]
    share: Float[Array, "rows active"]


def contact_func(at: SkinDistances) -> Float[Array, ""]:
    """E_cont^func = (1/n) sum_j C_j d_j over the functional fingers' vertices, d_j to P_func^3d (eq. 6)."""
    return jnp.sum(at.mean_func * at.prior * at.to_func)


def contact_rest(at: SkinDistances) -> Float[Array, ""]:
    """E_cont^unf = (1/n) sum_j C_j d_j over all other vertices, d_j to M_hand^3d (eq. 7)."""
    return jnp.sum(at.mean_rest * at.prior * at.to_hand)


def contact_map(at: SkinDistances) -> Float[Array, ""]:
    """E_cmap = mean_j (c_j - C_j)^2, c_j = 1 - 2 (sigmoid(2 k d_j) - 1/2) = 1 - tanh(k d_j), k = 100 / m.

    d_j is the distance to M_hand^3d, for functional fingers to the nearer of M_hand^3d and P_func^3d. Not
    defined in the paper; the contact map is GraspTTA's (Jiang et al. 2021, eq. 5 and its code).
    """
    d = jnp.where(at.mean_func > 0.0, jnp.minimum(at.to_hand, at.to_func), at.to_hand)
    c = 2.0 - 2.0 * jax.nn.sigmoid(2.0 * CONTACT_STEEPNESS * d)
    return jnp.sum(at.mean_all * (c - at.prior) ** 2)


def skin_penetration(at: SkinDistances) -> Float[Array, ""]:
    """E_pen, first part: sum_v max(0, -phi_v - t) over skin vertices; t is the depth that skin gives way.

    Not defined in the paper; DexGraspNet's (Wang et al. 2023), which sums over object samples alone.
    """
    return jnp.sum(at.mask * jax.nn.relu(-at.phi - at.tolerance))


def sample_penetration(at: ObjectSamples) -> Float[Array, ""]:
    """E_pen, second part: sum_o w_o max(0, -psi_o - t) over object samples.

    It catches blades and walls that pass between skin vertices.
    """
    return jnp.sum(at.weight * jax.nn.relu(-at.psi - at.tolerance))


def self_penetration(at: SphereGaps) -> Float[Array, ""]:
    """E_spen = 1/2 sum_{a, b} max(0, r_a + r_b - |x_a - x_b|) / 2 mm over spheres of non-adjacent links.

    In units of 2 mm, so that under the paper's lambda_5 = 1 a finger resists the thumb as strongly as the
    object does (lambda_4 = 20 over many vertices): in metres thumbs passed through fingers by 1.5 cm, in
    centimetres one kept grasp in four stood in itself by over 3 mm.
    Half, for each pair stands both ways.
    """
    return 0.5 * jnp.sum(jax.nn.relu(at.min_distance - at.gap)) / OVERLAP_UNIT


def force_closure(at: Fingertips) -> Float[Array, ""]:
    """E_fc = (|sum_i w_i [n_i; (p_i - p0) x n_i / s]|^2 + e) / ((sum_i w_i)^2 + e).

    w_i = exp(-(max(0, phi_i) / 1 cm)^2) is the pad's closeness to the surface, p0 the pads' weighted mean,
    s = 0.1 m; n_i is held constant, as in DexGraspNet. With e = 0.5 it is 1 where no pad touches, 1 for one
    pad, 0.1 for two that oppose. Without e it vanishes together with the weights: fingers fled to 35 mm from
    the object.
    """
    weight = at.mask * jnp.exp(-((jnp.maximum(at.phi, 0.0) / PAD_REACH) ** 2))
    nx, ny, nz = (jax.lax.stop_gradient(n) for n in at.normal)
    total = jnp.sum(weight) + 1e-6
    x, y, z = ((p - jnp.sum(weight * p) / total) / TORQUE_ARM for p in at.point)
    square = jnp.zeros_like(total)
    for component in (nx, ny, nz, y * nz - z * ny, z * nx - x * nz, x * ny - y * nx):
        square = square + jnp.sum(weight * component) ** 2
    return (square + LEAST_CONTACT) / (total**2 + LEAST_CONTACT)


def key_points(at: Fingertips) -> Float[Array, ""]:
    """E_point = sum_i max(0, |p_i - P_i| - r_i) over the pads that have a key point P_i of their own, metres.

    Not the paper's: eq. 6 draws both functional fingers to the nearer of the two points, as a mean that E_pen
    and the contact map outweigh. Of 96 starts aimed at both points 26 % ended there without it, 99 % with it.
    Within r_i other terms decide; 0 for pads without a point (r_i of a kilometre).
    """
    square = jnp.zeros_like(at.reach)
    for p, q in zip(at.point, at.target, strict=True):
        square = square + (p - q) ** 2
    return jnp.sum(at.mask * jax.nn.relu(jnp.sqrt(jnp.maximum(square, 1e-12)) - at.reach))


def joint_limits(at: Joints) -> Float[Array, ""]:
    """E_pip = sum_j max(0, l_j - q_j) + max(0, q_j - u_j), radians."""
    return jnp.sum(at.mask * (jax.nn.relu(at.lower - at.angle) + jax.nn.relu(at.angle - at.upper)))


def posture(at: Joints) -> Float[Array, ""]:
    """E_post = sum_c max(0, a_c q_i + b_c q_j - m_c), radians, over the card's limits of natural posture.

    Not the paper's. Without it 40 % of kept grasps spread bent fingers, bent a finger back, or curled
    neighbours apart as no hand does.
    """
    return jnp.sum(at.share * jax.nn.relu(at.excess))


Group = Literal["skin", "spheres", "samples", "fingertips", "joints"]


@dataclass(frozen=True)
class Term:
    """λ_k E_k of eq. 8: E_k is the sum of one function a group, most often of one.

    Attributes:
      name: its column in files and reports.
      caption: what it is, in a few words.
      weight: the λ that `RefineConfig` starts with (paper IV-A).
      skin, spheres, samples, fingertips, joints: E_k, or its part, of what that group reads.
    """

    name: str
    caption: str
    weight: float
    skin: Callable[[SkinDistances], Array] | None = None
    spheres: Callable[[SphereGaps], Array] | None = None
    samples: Callable[[ObjectSamples], Array] | None = None
    fingertips: Callable[[Fingertips], Array] | None = None
    joints: Callable[[Joints], Array] | None = None


#: The terms of eq. 8 in its order: the only place that knows which there are, and in which order they stand.
TERMS: dict[str, Term] = {
    term.name: term
    for term in (
        Term("cont_func", "thumb and index contact (eq. 6)", WEIGHTS["cont_func"], skin=contact_func),
        Term("cont_unf", "other contact (eq. 7)", WEIGHTS["cont_unf"], skin=contact_rest),
        Term("cmap", "contact map", WEIGHTS["cmap"], skin=contact_map),
        Term("pen", "penetration", WEIGHTS["pen"], skin=skin_penetration, samples=sample_penetration),
        Term("spen", "self-penetration", WEIGHTS["spen"], spheres=self_penetration),
        Term("fc", "force closure", WEIGHTS["fc"], fingertips=force_closure),
        Term("pip", "joint limits", WEIGHTS["pip"], joints=joint_limits),
        Term("post", "natural posture", WEIGHTS["post"], joints=posture),
        Term("point", "pads at their key points", WEIGHTS["point"], fingertips=key_points),
    )
}


def register(term: Term) -> None:
    """Add a term to the end of `TERMS`, before anything is refined.

    Args:
      term: with a name of its own.

    Raises:
      UserError: the name is taken.
    """
    if term.name in TERMS:
        raise UserError(f"a second term {term.name!r}", f"none of {', '.join(TERMS)}", "choose another name")
    TERMS[term.name] = term
    WEIGHTS[term.name] = term.weight


def unregister(name: str) -> None:
    """Take a term out again that `register` added."""
    del TERMS[name], WEIGHTS[name]


def functions_of(group: Group) -> list[tuple[int, Callable[[Any], Array]]]:
    """(place in `TERMS`, function) of every term that reads this group."""
    each = ((k, getattr(term, group)) for k, term in enumerate(TERMS.values()))
    return [(k, function) for k, function in each if function is not None]


Weights = Mapping[int, Array] | Float[Array, " terms"]


def group_energy(group: Group, at: Any, weights: Weights) -> tuple[Array, tuple[Array, ...]]:
    """(Σ_k λ_k E_k, every E_k) over the terms of one group.

    Args:
      group: which.
      at: what it reads.
      weights: λ by place in `TERMS`.
    """
    total, terms = jnp.float32(0.0), []
    for k, function in functions_of(group):
        terms.append(function(at))
        total = total + weights[k] * terms[-1]
    return total, tuple(terms)


class Readings(NamedTuple):
    """What all groups read of one grasp."""

    skin: SkinDistances
    spheres: SphereGaps
    samples: ObjectSamples
    fingertips: Fingertips
    joints: Joints


def all_terms(at: Readings) -> Float[Array, " terms"]:
    """E_1..E_K of one grasp, unweighted, in the order of `TERMS`."""
    found = [jnp.zeros_like(at.skin.tolerance)] * len(TERMS)
    for group in get_args(Group):
        for k, function in functions_of(group):
            found[k] = found[k] + function(getattr(at, group))
    return jnp.stack(found)
