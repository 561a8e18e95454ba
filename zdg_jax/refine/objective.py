"""Eq. 8 for one grasp in plain XLA: the seven energies and dE/dG; vmap for a batch."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from zdg_jax._brax import Transform, math
from zdg_jax.errors import UserError
from zdg_jax.hands.kinematics import Chain, chain, posed_spheres, pull_back
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.lookup import Components, entry_reader, row_reader
from zdg_jax.refine import energies as en
from zdg_jax.refine import pushes
from zdg_jax.refine.targets import Tables, Targets

#: Translation is optimised in units of 0.1 m, so that the paper's one learning rate, 0.005, means half a
#: millimetre a step for T as it means a quarter of a degree for R and theta.
POSITION_UNIT = 0.1


class Variables(NamedTuple):
    """G = (T, R, theta) as optimised: T in POSITION_UNIT, R a quaternion of any length, theta radians."""

    position: Float[Array, "*b 3"]
    rotation: Float[Array, "*b 4"]
    joints: Float[Array, "*b active"]


class Pushed(NamedTuple):
    """Energies 1-6 of eq. 8, unweighted, and what the weighted sum of them does to every link.

    `moment` is about the field frame's origin.
    """

    terms: Float[Array, "*b 6"]
    force: Float[Array, "*b links 3"]
    moment: Float[Array, "*b links 3"]


def to_variables(pose: Float[Array, "7"], joints: Float[Array, " active"]) -> Variables:
    """`hand_pose` (xyz wxyz) and joints to the optimised variables."""
    return Variables(pose[:3] / POSITION_UNIT, pose[3:], joints)


def to_pose(v: Variables) -> Float[Array, "7"]:
    """Optimised variables back to `hand_pose`, unit quaternion with w >= 0."""
    q = v.rotation / jnp.linalg.norm(v.rotation)
    return jnp.concatenate([v.position * POSITION_UNIT, jnp.where(q[0] < 0, -q, q)])


def kinematics(hand: HandModel, v: Variables) -> Chain:
    """Links and hinges of one hand in the field frame; of a stand-in where v is not finite."""
    sound = is_sound(v)
    v = Variables(*(jnp.where(sound, x, 1.0) for x in v))
    pose = to_pose(v)
    return chain(hand, Transform(pos=pose[:3], rot=pose[3:]), v.joints)


def is_sound(v: Variables) -> Bool[Array, ""]:
    """Whether all of v is finite: only then may its points be looked up."""
    return jnp.isfinite(jnp.concatenate([*v])).all()


def gradient(
    hand: HandModel, v: Variables, at: Chain, pushed: Pushed, weights: Float[Array, "7"]
) -> Variables:
    """dE/dG from the pushes on the links: J^T, the quaternion's share, E_pip.

    A turn w changes a quaternion by dq = |q|/2 (0, w) q^, so dE/dq = 2/|q| (0, dE/dw) q^.
    """
    lower, upper = (jnp.asarray(x, jnp.float32) for x in (hand.lower, hand.upper))
    force, turn, joints = pull_back(hand, at, pushed.force, pushed.moment)
    length = jnp.linalg.norm(v.rotation)
    q = v.rotation / length
    spin = math.quat_mul(jnp.concatenate([jnp.zeros(1, turn.dtype), turn]), q) * (2.0 / length)
    limits = jax.grad(en.e_joint_limits)(v.joints, lower, upper)
    slope = Variables(force * POSITION_UNIT, spin, joints + weights[6] * limits)
    return Variables(*(jnp.where(is_sound(v), x, jnp.nan) for x in slope))


def all_terms(hand: HandModel, v: Variables, pushed: Pushed) -> Float[Array, "7"]:
    """The seven energies, unweighted, in the order of `TERMS`."""
    lower, upper = (jnp.asarray(x, jnp.float32) for x in (hand.lower, hand.upper))
    found = jnp.concatenate([pushed.terms, en.e_joint_limits(v.joints, lower, upper)[None]])
    return jnp.where(is_sound(v), found, jnp.nan)


def push(
    hand: HandModel, tables: Tables, target: Targets, links: Transform, batch: Int[Array, ""] | None = None
) -> Pushed:
    """Energies and pushes of one grasp.

    Args:
      hand: static.
      tables: shared by the batch.
      target: this grasp's task.
      links: field frame.
      batch: the batch of object probes that this step tests; all of them if None.
    """
    body = layout(hand)
    fields = pushes.Fields(
        target.lattice, entry_reader(tables.entries), row_reader(tables.rows), row_reader(tables.regions)
    )
    weights = pushes.Weights(
        tuple(target.weights[k] for k in range(7)), target.tolerance, target.probe_weight
    )
    points = place_all(links, body.placing)
    skin, sphere, pad = (
        (part[0], part[1], part[2]) for part in jnp.split(points, np.cumsum(body.counts)[:-1], axis=1)
    )

    share = tuple(jnp.asarray(s) for s in body.share)
    contact, f_skin = pushes.push_skin(
        fields, weights, skin, target.prior, share, jnp.ones_like(target.prior)
    )
    thins = len(body.touch)
    thin = (sphere[0][:thins], sphere[1][:thins], sphere[2][:thins])
    overlap, f_thin = pushes.push_overlap(weights, thin, thin, jnp.asarray(body.touch))
    closure, f_pad = pushes.push_pads(fields, weights, pad, jnp.ones_like(pad[0]))

    if batch is None:
        rows = jnp.transpose(target.probes, (1, 0, 2)).reshape(3, -1)
        weights = weights._replace(probe=weights.probe / target.probes.shape[0])
    else:
        rows = target.probes[batch]
    probe = (rows[0], rows[1], rows[2])
    radius = jnp.asarray(body.radius)
    keys = sphere_keys(probe, sphere, radius)
    nearest = jnp.min(keys, axis=1) & ((1 << pushes.SPHERE_BITS) - 1)
    center = tuple(s[nearest] for s in sphere)
    inside, f_probe = pushes.push_probes(weights, probe, center, radius[nearest])

    contact_func, contact_rest, contact_map, outside = contact
    wrench = (
        _wrench(skin, f_skin, jnp.asarray(body.skin_to_link))
        + _wrench(thin, f_thin, jnp.asarray(body.sphere_to_link[:thins]))
        + _wrench(pad, f_pad, jnp.asarray(body.pad_to_link))
        + _wrench(center, f_probe, jnp.asarray(body.sphere_to_link)[nearest])
    )
    return Pushed(
        jnp.stack([contact_func, contact_rest, contact_map, outside + inside, overlap, closure]),
        wrench[:3].T,
        wrench[3:].T,
    )


_HIGH = jax.lax.Precision.HIGHEST


def sphere_keys(probe: Components, sphere: Components, radius: Float[Array, " s"]) -> Int[Array, "n s"]:
    """`pushes.sphere_keys` of every probe and every sphere."""
    most = jnp.max(radius)
    rows, columns = (tuple(x[:, None] for x in probe), tuple(x[None, :] for x in sphere))
    return pushes.sphere_keys(rows, columns, radius[None, :], jnp.arange(len(radius))[None, :], most)


def place_all(links: Transform, placing: Float[np.ndarray, "frame n"]) -> Float[Array, "3 n"]:
    """Points of the hand in the frame of `links`: [R | p] of all links side by side, times `placing`.

    Args:
      links: of one grasp.
      placing: `Layout.placing` or some of its columns.
    """
    R = jax.vmap(math.quat_to_3x3)(links.rot)
    frame = jnp.concatenate([R, links.pos[:, :, None]], axis=2)  # [links, 3, 4]
    return jnp.matmul(jnp.transpose(frame, (1, 0, 2)).reshape(3, -1), jnp.asarray(placing), precision=_HIGH)


def _wrench(
    point: Components, force: Components, to_link: Float[Array, "n links"]
) -> Float[Array, "6 links"]:
    """Force and moment on every link.

    Six products: of stacked rows XLA on a CPU would compute the forces six times.
    """
    rows = (*force, *pushes.moment(point, force))
    return jnp.stack([jnp.matmul(row, to_link, precision=_HIGH) for row in rows])


class Layout(NamedTuple):
    """The hand's points as constants of the compiled function.

    Attributes:
      placing: points = frame @ placing, with frame [3, links * 4] the links' [R | p] side by side.
      counts: skin vertices, spheres, pads.
      share: weights of skin vertices in the means of eqs. 6, 7 and E_cmap.
      sphere: numbers of the hand's spheres in the order used here, those of E_spen first.
      touch: r_a + r_b of the pairs of E_spen, -1 where a pair does not count.
      skin_to_link, pad_to_link, sphere_to_link: one-hot.
      radius: of the spheres, metres; 0 for one that stands in another's centre (see `apart`).
    """

    placing: np.ndarray
    counts: tuple[int, int, int]
    share: tuple[np.ndarray, np.ndarray, np.ndarray]
    sphere: np.ndarray
    touch: np.ndarray
    skin_to_link: np.ndarray
    pad_to_link: np.ndarray
    sphere_to_link: np.ndarray
    radius: np.ndarray


@lru_cache(maxsize=16)
def layout(hand: HandModel) -> Layout:
    """The hand's points, weights and pairs in the form that `push` multiplies with.

    Raises:
      UserError: more spheres than `pushes.sphere_keys` numbers.
    """
    if len(hand.sphere_link) > 1 << pushes.SPHERE_BITS:
        raise UserError(
            f"{len(hand.sphere_link)} spheres on hand {hand.name}",
            f"at most {1 << pushes.SPHERE_BITS}",
            "cover its links with fewer, larger spheres",
        )
    f32, links = np.float32, len(hand.link_names)
    eye = np.eye(links, dtype=f32)
    thin = thin_spheres(hand)
    sphere = np.concatenate([thin, np.setdiff1d(np.arange(len(hand.sphere_link)), thin)])
    link = np.concatenate([hand.skin_link, hand.sphere_link[sphere], hand.pad_link])
    local = np.concatenate([hand.p_link_skin, hand.p_link_sphere[sphere], hand.p_link_pad])
    placing = np.zeros((links, 4, len(link)), f32)
    placing[link, :, np.arange(len(link))] = np.concatenate([local, np.ones((len(local), 1))], axis=1)
    allowed = np.zeros((len(sphere),) * 2, dtype=bool)
    allowed[hand.sphere_pairs[:, 0], hand.sphere_pairs[:, 1]] = True
    allowed |= allowed.T
    r = hand.sphere_radius
    touch = np.where(allowed, r[:, None] + r[None, :], -1.0)[np.ix_(thin, thin)]
    func = hand.functional
    share = (func / max(func.sum(), 1), ~func / max((~func).sum(), 1), np.full(len(func), 1 / len(func)))
    return Layout(
        placing.reshape(links * 4, -1), (len(hand.skin_link), len(sphere), len(hand.pad_link)),
        (share[0].astype(f32), share[1].astype(f32), share[2].astype(f32)), sphere, touch.astype(f32),
        eye[hand.skin_link], eye[hand.pad_link], eye[hand.sphere_link[sphere]],
        np.where(apart(hand), r, 0.0)[sphere].astype(f32),
    )  # fmt: skip


def apart(hand: HandModel) -> Bool[np.ndarray, " spheres"]:
    """False for a sphere whose centre is that of another, no smaller one: at joints both links bring one.

    Which of the two a probe touches would be decided by rounding, and with it the link that is pushed.
    """
    pose = np.array([[0, 0, 0, 1.0, 0, 0, 0]])
    with jax.ensure_compile_time_eval():  # the first caller may be tracing
        bent = [posed_spheres(hand, pose, q[None])[0] for q in (hand.open_joints, hand.upper)]
    keep = np.ones(len(hand.sphere_radius), dtype=bool)
    for s in np.lexsort((np.arange(len(keep)), -hand.sphere_radius)):
        near = np.all([np.linalg.norm(p - p[s], axis=1) < 1e-5 for p in bent], axis=0)
        near[s] = False
        keep[s] = not (near & keep & (hand.sphere_radius >= hand.sphere_radius[s])).any()
    return keep


def thin_spheres(hand: HandModel) -> np.ndarray:
    """Numbers of every link's spheres thinned to gaps of 1.2 radii: at most 64 of human16's 158."""
    keep: list[int] = []
    for s in np.argsort(-hand.sphere_radius, kind="stable"):
        near = [k for k in keep if hand.sphere_link[k] == hand.sphere_link[s]]
        gap = np.linalg.norm(hand.p_link_sphere[near] - hand.p_link_sphere[s], axis=1)
        if not (gap < 1.2 * hand.sphere_radius[s]).any():
            keep.append(int(s))
    return np.array(sorted(keep))
