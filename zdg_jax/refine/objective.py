"""Eq. 8: all energies of one grasp against one problem."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from zdg_jax._brax import Transform
from zdg_jax.hands.kinematics import link_transforms, place
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import lookup_cells
from zdg_jax.refine import energies as en
from zdg_jax.refine.problem import Problem

#: Translation is optimised in units of 0.1 m, so that the paper's one learning rate, 0.005, means half a
#: millimetre a step for T as it means a quarter of a degree for R and theta.
POSITION_UNIT = 0.1
#: Distance over which a finger pad counts as touching in E_fc, metres.
PAD_REACH = 0.01
NORMAL_STEP = 0.002
_AXES = np.concatenate([np.eye(3), -np.eye(3)])


class Variables(NamedTuple):
    """G = (T, R, theta) as optimised: T in POSITION_UNIT, R a quaternion of any length, theta radians."""

    position: Float[Array, "3"]
    rotation: Float[Array, "4"]
    joints: Float[Array, " active"]


def to_variables(pose: Float[Array, "7"], joints: Float[Array, " active"]) -> Variables:
    """`hand_pose` (xyz wxyz) and joints to the optimised variables."""
    return Variables(pose[:3] / POSITION_UNIT, pose[3:], joints)


def to_pose(v: Variables) -> Float[Array, "7"]:
    """Optimised variables back to `hand_pose`, unit quaternion with w >= 0."""
    q = v.rotation / jnp.linalg.norm(v.rotation)
    return jnp.concatenate([v.position * POSITION_UNIT, jnp.where(q[0] < 0, -q, q)])


def terms(
    hand: HandModel, problem: Problem, v: Variables, batch: Int[Array, ""] | None = None
) -> Float[Array, "7"]:
    """The seven energies, unweighted, in the order of `TERMS`.

    Args:
      hand: static.
      problem: fields, targets, weights.
      v: one grasp.
      batch: the batch of object probes that this step tests; all of them if None.
    """
    pose = to_pose(v)
    links = link_transforms(hand, Transform(pos=pose[:3], rot=pose[3:]), v.joints)
    dtype = pose.dtype
    skin = place(links, hand.skin_link, jnp.asarray(hand.p_link_skin, dtype))
    sphere = place(links, hand.sphere_link, jnp.asarray(hand.p_link_sphere, dtype))
    pad = place(links, hand.pad_link, jnp.asarray(hand.p_link_pad, dtype))

    # Skin and pads, and each pad's six neighbours for the object's normal there, in one look-up.
    still = jax.lax.stop_gradient(pad)
    around = (still[:, None, :] + NORMAL_STEP * jnp.asarray(_AXES, dtype)[None, :, :]).reshape(-1, 3)
    d_all = lookup_cells(
        problem.cells, problem.origin, problem.spacing, jnp.concatenate([skin, still, around])
    )
    d, phi_pad, phi_around = jnp.split(d_all, [len(skin), len(skin) + len(pad)])
    slope = phi_around[:, 0].reshape(-1, 2, 3)
    normal = slope[:, 0] - slope[:, 1]
    normal = normal / jnp.maximum(jnp.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    touching = jnp.exp(-((jnp.maximum(phi_pad[:, 0], 0.0) / PAD_REACH) ** 2))

    functional = jnp.asarray(hand.functional)
    radius = jnp.asarray(hand.sphere_radius, dtype)
    thin, apart = sparse_spheres(hand)
    if batch is None:
        psi = sphere_distance(problem.probes.reshape(-1, 3), sphere, radius)
        probe_weight = problem.probe_weight / problem.probes.shape[0]
    else:
        psi = sphere_distance(problem.probes[batch], sphere, radius)
        probe_weight = problem.probe_weight
    return jnp.stack([
        en.e_contact(d[:, 2], problem.prior, functional),
        en.e_contact(d[:, 1], problem.prior, ~functional),
        en.e_contact_map(jnp.where(functional, jnp.minimum(d[:, 1], d[:, 2]), d[:, 1]), problem.prior),
        en.e_penetration(d[:, 0], psi, probe_weight, problem.tolerance),
        en.e_self_penetration(sphere[thin], radius[thin], jnp.asarray(apart)),
        en.e_force_closure(pad, normal, touching),
        en.e_joint_limits(v.joints, jnp.asarray(hand.lower, dtype), jnp.asarray(hand.upper, dtype)),
    ])  # fmt: skip


def total(
    hand: HandModel, problem: Problem, v: Variables, batch: Int[Array, ""] | None = None
) -> Float[Array, ""]:
    """E of eq. 8: sum_i lambda_i E_i; arguments as in `terms`."""
    return jnp.sum(problem.weights * terms(hand, problem, v, batch))


def sphere_distance(
    points: Float[Array, "points 3"], center: Float[Array, "spheres 3"], radius: Float[Array, " spheres"]
) -> Float[Array, " points"]:
    """psi(o) = min_s |o - x_s| - r_s, the hand's signed distance at object points."""
    gap2 = jnp.sum(points**2, axis=1)[:, None] + jnp.sum(center**2, axis=1)[None, :] - 2.0 * points @ center.T
    return jnp.min(jnp.sqrt(jnp.maximum(gap2, 1e-10)) - radius[None, :], axis=1)


@lru_cache(maxsize=16)
def sparse_spheres(hand: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """Every link's spheres thinned to gaps of a radius, and which pairs of those count for E_spen."""
    allowed = np.zeros((len(hand.sphere_radius),) * 2, dtype=bool)
    allowed[hand.sphere_pairs[:, 0], hand.sphere_pairs[:, 1]] = True
    keep: list[int] = []
    for s in np.argsort(-hand.sphere_radius, kind="stable"):
        near = [k for k in keep if hand.sphere_link[k] == hand.sphere_link[s]]
        gap = np.linalg.norm(hand.p_link_sphere[near] - hand.p_link_sphere[s], axis=1)
        if not (gap < 1.1 * hand.sphere_radius[s]).any():
            keep.append(int(s))
    thin = np.array(sorted(keep))
    return thin, allowed[np.ix_(thin, thin)]
