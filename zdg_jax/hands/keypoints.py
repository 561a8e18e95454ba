"""Batched inverse kinematics to keypoints: pads and their normals, palm, limits, no penetration."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int32, UInt32

from zdg_jax.hands.kinematics import (
    Chain,
    Transform,
    chain,
    moves_link,
    place,
    posed_points,
    quat_about,
    quat_mul,
    rotate,
)
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf.query import Grid, entry_reader, locate, row_reader, signed
from zdg_jax.pose import unit
from zdg_jax.stored import Stored


# Where a finger is when it goes through something: the middle of its crook, and its direction there.
class Crooks(NamedTuple):
    """One for every pad, in the order of `HandModel.pad_names`.

    Attributes:
      link: that it is fixed to: the last but one of a finger, the last of the thumb.
      point: between that link's origin and the next link's (the thumb's pad), link frame, metres.
      along: unit vector towards the tip, link frame.
    """

    link: Int[np.ndarray, " pads"]
    point: Float[np.ndarray, "pads 3"]
    along: Float[np.ndarray, "pads 3"]


@lru_cache(maxsize=16)
def crooks(hand: HandModel) -> Crooks:
    """The crook of every finger with a pad.

    Args:
      hand: with `finger_links`.
    """
    links, ways = [], []
    for k, name in enumerate(hand.pad_names):
        last = hand.link_names.index(hand.finger_links[name][-1])
        if name == hand.finger_names[hand.thumb] or len(hand.finger_links[name]) < 2:
            links.append(int(hand.pad_link[k]))
            ways.append(to_pad(hand, k))
        else:
            links.append(int(hand.link_parent[last]))
            ways.append(hand.p_parent_link[last])
    way = np.array(ways)
    return Crooks(np.array(links), 0.5 * way, unit(way))


def to_pad(hand: HandModel, pad: int) -> Float[np.ndarray, "3"]:
    """From the origin of a pad's link to the pad's height, p - (p . n) n, link frame, metres."""
    p, n = hand.p_link_pad[pad], hand.n_link_pad[pad]
    return p - (p @ n) * n


def posed_crooks(
    hand: HandModel, hand_pose: Float[np.ndarray, "*n 7"], joints: Float[np.ndarray, "*n active"]
) -> tuple[Float[np.ndarray, "*n pads 3"], Float[np.ndarray, "*n pads 3"]]:
    """(points, directions) of all crooks in the object frame.

    Args:
      hand: the hand.
      hand_pose, joints: xyz wxyz, radians.
    """
    own = crooks(hand)
    points = posed_points(hand, hand_pose, joints, own.link, own.point)
    return points, posed_points(hand, hand_pose, joints, own.link, own.along, turn_only=True)


#: Residuals of positions are counted in centimetres, those of directions in units of 1 (about 57 degrees).
UNIT = 0.01
#: Beyond this a pad that can't get nearer pulls with constant force (Huber), metres.
HUBER = 0.01


#: Tables of up to so many entries and rows share one compilation.
_ROOM = {"entries": 1 << 18, "rows": 1 << 21}


class Goal(NamedTuple):
    """What one hand shall reach; object frame, metres, radians.

    Attributes:
      pad, normal: where pads shall lie and look, in the order of `HandModel.pad_names`; behind them, if
        wanted, where the fingers' crooks shall lie and point, in the same order.
      pad_weight, normal_weight: of each; 0 for a pad without a goal.
      palm, R_palm, palm_weight: pose of the palm frame and how strongly it pulls.
      rest, rest_weight: joints that pull weakly, and how strongly.
      clear: weight of sphere centres' penetration (0: none), see `Obstacle`.
    """

    pad: Float[Array | np.ndarray, "*b marks 3"]
    normal: Float[Array | np.ndarray, "*b marks 3"]
    pad_weight: Float[Array | np.ndarray, "*b marks"]
    normal_weight: Float[Array | np.ndarray, "*b marks"]
    palm: Float[Array | np.ndarray, "*b 3"]
    R_palm: Float[Array | np.ndarray, "*b 3 3"]
    palm_weight: Float[Array | np.ndarray, "*b"]
    rest: Float[Array | np.ndarray, "*b active"]
    rest_weight: Float[Array | np.ndarray, "*b active"]
    clear: Float[Array | np.ndarray, "*b"]


class Obstacle(NamedTuple):
    """An object's signed distance field as arrays of few shapes, so that a new object seldom compiles."""

    grid: Grid
    R_field_obj: Float[Array, "3 3"]
    entries: Int32[Array, " cells"]
    rows: UInt32[Array, "rows 4"]


@lru_cache(maxsize=4)
def obstacle(field: SignedDistanceField) -> Obstacle:
    """The field, its tables padded to powers of two; those of the last few are kept."""

    def padded(name: str) -> np.ndarray:
        table = getattr(field, name)
        room = 1 << (max(len(table), _ROOM[name]) - 1).bit_length()
        return np.concatenate([table, np.zeros((room - len(table), *table.shape[1:]), table.dtype)])

    zero = jnp.zeros((), jnp.int32)
    grid = Grid(
        jnp.asarray(field.origin, jnp.float32), jnp.asarray(field.spacing, jnp.float32),
        jnp.asarray(field.shape, jnp.int32), zero, zero,
    )  # fmt: skip
    return Obstacle(
        grid, jnp.asarray(field.R_field_obj, jnp.float32), jnp.asarray(padded("entries")),
        jnp.asarray(padded("rows")),
    )  # fmt: skip


def fit(
    hand: HandModel,
    pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    goal: Goal,
    *,
    free_base: bool,
    steps: int = 40,
    against: Obstacle | None = None,
) -> tuple[Float[np.ndarray, "n 7"], Float[np.ndarray, "n active"], Float[np.ndarray, " n"]]:
    """Minimise the goals' weighted squares from given starts, within limits, by Levenberg-Marquardt.

    sum_k w_k rho(|p_k - g_k|) + v_k |n_k - m_k|^2 + w_palm |T_palm - G|^2 + sum_j u_j (q_j - r_j)^2
    + clear sum_s max(0, -phi(c_s))^2, positions in centimetres, rho Huber's.

    Args:
      hand: one compilation each, and one for every power of two of n from 16 on.
      pose, joints: starts, xyz wxyz in the object frame, radians.
      goal: with a batch axis.
      free_base: whether the base moves too.
      steps: of Levenberg-Marquardt; a step that does not improve a row is not taken.
      against: the object that the hand's spheres shall stay out of.

    Returns:
      (pose, joints, cost), joints within limits.
    """
    n = len(pose)
    size = max(16, 1 << max(n - 1, 0).bit_length())

    def padded(x):
        x = np.asarray(x, np.float32)
        return np.concatenate([x, np.repeat(x[-1:], size - n, axis=0)])

    solve = _solver(hand, against is not None)
    goals = Goal(*(padded(x) for x in goal))
    with jax.default_matmul_precision("highest"):  # a GPU would round to three digits
        found = solve(padded(pose), padded(joints), goals, against, np.bool_(free_base), np.int32(steps))
    pose, joints, cost = (np.asarray(x)[:n].astype(np.float64) for x in found)
    return pose, joints, cost


@lru_cache(maxsize=16)
def _solver(hand: HandModel, clear: bool):
    one = partial(_solve, hand, clear)
    every = jax.vmap(one, in_axes=(0, 0, 0, None, None, None))
    # loads LAPACK, which kept code calls without looking whether it is there
    jnp.linalg.cholesky(jnp.eye(2)).block_until_ready()
    return Stored(every, "keypoints", (hand, clear))


class _State(NamedTuple):
    """Of Levenberg-Marquardt: the best found, with what was measured there, and what is to be tried next."""

    pose: Float[Array, "7"]
    joints: Float[Array, " active"]
    cost: Float[Array, ""]
    gradient: Float[Array, " free"]
    hessian: Float[Array, "free free"]
    damping: Float[Array, ""]
    next_pose: Float[Array, "7"]
    next_joints: Float[Array, " active"]


def _solve(hand, clear, pose, joints, goal, against, free_base, steps):
    lower, upper = (jnp.asarray(x, jnp.float32) for x in (hand.lower, hand.upper))
    joints = jnp.clip(joints, lower, upper)
    pose = pose.at[3:].divide(jnp.linalg.norm(pose[3:]))
    spheres = thinned(hand) if clear else None
    base = jnp.full(6, free_base, jnp.float32)

    def step(_, s: _State) -> _State:
        at = chain(hand, Transform(pos=s.next_pose[:3], rot=s.next_pose[3:]), s.next_joints)
        cost, gradient, hessian = _residuals(hand, at, s.next_joints, goal, against, spheres)
        better = cost < s.cost

        def pick(new, old):
            return jnp.where(better, new, old)

        damping = jnp.clip(jnp.where(better, s.damping * 0.4, s.damping * 4.0), 1e-5, 1e4)
        pose, joints = pick(s.next_pose, s.pose), pick(s.next_joints, s.joints)
        gradient, hessian = pick(gradient, s.gradient), pick(hessian, s.hessian)
        # a joint at its limit that would leave it stays there
        stuck = ((joints <= lower) & (gradient[6:] > 0)) | ((joints >= upper) & (gradient[6:] < 0))
        free = jnp.concatenate([base, jnp.where(stuck, 0.0, 1.0)])
        A = hessian * free[:, None] * free[None, :]
        A = A + jnp.diag(damping * jnp.diag(A) + 1e-4 + (1.0 - free))
        move = -jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(A), gradient * free)
        return _State(
            pose, joints, pick(cost, s.cost), gradient, hessian, damping,
            _moved(pose, move[:6]), jnp.clip(joints + move[6:], lower, upper),
        )  # fmt: skip

    size = 6 + len(hand.active_names)
    start = _State(
        pose, joints, jnp.asarray(jnp.inf), jnp.zeros(size), jnp.zeros((size, size)),
        jnp.asarray(2.5e-2), pose, joints,
    )  # fmt: skip
    # the first round measures the start itself
    end = jax.lax.fori_loop(0, steps + 1, step, start)
    return end.pose, end.joints, end.cost


def _moved(pose: Float[Array, "7"], twist: Float[Array, "6"]) -> Float[Array, "7"]:
    """The base shifted by twist[:3] and turned by the rotation vector twist[3:], both in the object frame."""
    angle = jnp.sqrt(jnp.sum(twist[3:] ** 2) + 1e-16)
    turn = quat_about(twist[3:] / angle, angle)
    rot = quat_mul(turn, pose[3:])
    return jnp.concatenate([pose[:3] + twist[:3], rot / jnp.linalg.norm(rot)])


def _residuals(hand, at: Chain, joints, goal: Goal, against, spheres):
    """(cost, gradient, Gauss-Newton matrix) of all goals."""
    size = 6 + len(hand.active_names)
    cost, gradient, hessian = jnp.zeros(()), jnp.zeros(size), jnp.zeros((size, size))

    def add(residual, jacobian, weight, cost_of=None):
        """Weight once a row of `residual` [k, d]; `cost_of` replaces w |r|^2."""
        nonlocal cost, gradient, hessian
        r, J = residual.reshape(-1), jacobian.reshape(-1, size)
        w = jnp.repeat(weight, residual.shape[1])
        cost += jnp.sum(w * r**2 if cost_of is None else cost_of)
        gradient += J.T @ (w * r)
        hessian += J.T @ (w[:, None] * J)

    link, p_link, n_link = _marks(hand, crooked=goal.pad.shape[0] > len(hand.pad_link))
    pads = place(at.links, link, jnp.asarray(p_link, jnp.float32))
    normals = rotate(at.links, link, jnp.asarray(n_link, jnp.float32))
    J_pad, J_normal = jacobians(hand, at, link, pads, normals)
    off = (pads - goal.pad) / UNIT
    # Huber: w rho(e) with rho = e^2 below h and h (2 e - h) beyond; reweighted least squares
    e = jnp.sqrt(jnp.sum(off**2, axis=1) + 1e-12)
    h = HUBER / UNIT
    rho = jnp.where(e < h, e**2, h * (2.0 * e - h))
    add(off, J_pad / UNIT, goal.pad_weight * jnp.minimum(1.0, h / e), goal.pad_weight * rho)
    add(normals - goal.normal, J_normal, goal.normal_weight)

    base = np.zeros(1, dtype=int)
    palm = place(at.links, base, jnp.asarray(hand.p_base_palm, jnp.float32)[None])
    axes = rotate(at.links, np.zeros(3, dtype=int), jnp.asarray(hand.R_base_palm.T, jnp.float32))
    J_palm, _ = jacobians(hand, at, base, palm, palm)
    _, J_axes = jacobians(hand, at, np.zeros(3, dtype=int), axes, axes)
    add((palm - goal.palm[None]) / UNIT, J_palm / UNIT, goal.palm_weight[None])
    # a turn of 0.1 rad counts like a centimetre
    add((axes - goal.R_palm.T) * 10.0, J_axes * 10.0, jnp.full(3, goal.palm_weight))
    eye = jnp.concatenate([jnp.zeros((len(hand.active_names), 6)), jnp.eye(len(hand.active_names))], axis=1)
    add((joints - goal.rest)[:, None], eye[:, None, :], goal.rest_weight)
    if spheres is not None:
        link = hand.sphere_link[spheres]
        center = place(at.links, link, jnp.asarray(hand.p_link_sphere[spheres], jnp.float32))
        J_center, _ = jacobians(hand, at, link, center, center)
        x, y, z = against.R_field_obj @ center.T
        phi, slope = signed(
            against.grid, entry_reader(against.entries), row_reader(against.rows),
            locate(against.grid, (x, y, z)),
        )  # fmt: skip
        away = jnp.stack(slope, axis=1) @ against.R_field_obj
        depth = jnp.maximum(jnp.asarray(hand.sphere_radius[spheres], jnp.float32) - phi, 0.0)
        J_depth = jnp.einsum("si,sin->sn", -away, J_center) * (depth > 0)[:, None]
        add(depth[:, None] / UNIT, J_depth[:, None] / UNIT, jnp.full(len(spheres), goal.clear))
    return cost, gradient, hessian


def _marks(hand: HandModel, crooked: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(link, point, direction) of the pads, and of the crooks behind them."""
    pads = hand.pad_link, hand.p_link_pad, hand.n_link_pad
    if not crooked:
        return pads
    link, point, along = (np.concatenate(pair) for pair in zip(pads, crooks(hand), strict=True))
    return link, point, along


def jacobians(
    hand: HandModel,
    at: Chain,
    link: Int[np.ndarray, " k"],
    point: Float[Array, "k 3"],
    vector: Float[Array, "k 3"],
) -> tuple[Float[Array, "k 3 free"], Float[Array, "k 3 free"]]:
    """d point and d vector by (shift of the base, turn of the base, active joints), object frame.

    A hinge j that moves the link adds a_j x (p - c_j) and a_j x v; the base turns about its own origin.

    Args:
      hand: static.
      at: from `chain`.
      link: that each point and vector is fixed to.
      point, vector: as they stand, object frame.
    """
    k = len(link)
    moved = jnp.asarray(moves_link(hand)[:, link].T, jnp.float32)[:, :, None]  # [k, joints, 1]
    axis, anchor = at.axis[None], at.anchor[None]
    by_hinge = moved * jnp.cross(jnp.broadcast_to(axis, (*moved.shape[:2], 3)), point[:, None] - anchor)
    turned = moved * jnp.cross(
        jnp.broadcast_to(axis, by_hinge.shape), jnp.broadcast_to(vector[:, None], by_hinge.shape)
    )
    shift = jnp.broadcast_to(jnp.eye(3), (k, 3, 3))
    by_turn = jnp.cross(shift, jnp.broadcast_to((point - at.links.pos[:1])[:, None], shift.shape))
    vector_turn = jnp.cross(shift, jnp.broadcast_to(vector[:, None], shift.shape))
    A = jnp.asarray(hand.coupling, jnp.float32)
    high = jax.lax.Precision.HIGHEST

    def columns(first, turn, hinge):
        active = jnp.einsum("kji,ja->kia", hinge, A, precision=high)
        return jnp.concatenate([first, jnp.swapaxes(turn, 1, 2), active], axis=2)

    return columns(shift, by_turn, by_hinge), columns(jnp.zeros_like(shift), vector_turn, turned)


@lru_cache(maxsize=16)
def thinned(hand: HandModel) -> np.ndarray:
    """Numbers of spheres, largest first, that keep 0.8 radii from each other on every link."""
    keep: list[int] = []
    for s in np.argsort(-hand.sphere_radius, kind="stable"):
        near = [k for k in keep if hand.sphere_link[k] == hand.sphere_link[s]]
        gap = np.linalg.norm(hand.p_link_sphere[near] - hand.p_link_sphere[s], axis=1)
        if not (gap < 0.8 * hand.sphere_radius[s]).any():
            keep.append(int(s))
    return np.array(sorted(keep))
