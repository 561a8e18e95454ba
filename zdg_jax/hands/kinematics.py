"""Batched, differentiable forward kinematics on `Transform`, one position and one unit quaternion."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from zdg_jax.hands.blend import Blend, with_frames
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import (
    IDENTITY,
    compose,
    make_pose,
    transform_directions,
    transform_points,
    unit,
    wxyz_to_matrix,
)
from zdg_jax.stored import Stored


# Rigid transforms inside traced code: one position and one unit quaternion, w first; `vmap` for a batch.
#
# What numpy code turns by is in `pose`. The sums stand in one order for good: another one ends refinement at
# other last digits.
class Transform(NamedTuple):
    """T_a_b: where the frame b stands in a.

    Attributes:
      pos: metres.
      rot: unit quaternion wxyz.
    """

    pos: Float[Array, "*b 3"]
    rot: Float[Array, "*b 4"]

    def do(self, other: Transform) -> Transform:
        """T_a_c = T_a_b T_b_c: p = p_ab + R_ab p_bc, q = q_ab q_bc."""
        return Transform(self.pos + turned(other.pos, self.rot), quat_mul(self.rot, other.rot))


def turned(vector: Float[Array, "3"], quat: Float[Array, "4"]) -> Float[Array, "3"]:
    """R(q) x = 2 (u . x) u + (s^2 - u . u) x + 2 s u x x, q = (s, u) of unit length."""
    s, u = quat[0], quat[1:]
    along = 2 * (jnp.dot(u, vector) * u) + (s * s - jnp.dot(u, u)) * vector
    return along + 2 * s * jnp.cross(u, vector)


def quat_mul(a: Float[Array, "4"], b: Float[Array, "4"]) -> Float[Array, "4"]:
    """Hamilton's product: first b turns, then a."""
    return jnp.array(
        [
            a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
            a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
            a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
            a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
        ]
    )


def quat_about(axis: Float[Array, "3"], angle: Float[Array, ""]) -> Float[Array, "4"]:
    """(cos(angle / 2), axis sin(angle / 2)) of a unit axis, radians."""
    x, y, z = (axis[k] * jnp.sin(angle / 2) for k in range(3))
    return jnp.array([jnp.cos(angle / 2), x, y, z])


def quat_to_matrix(quat: Float[Array, "4"]) -> Float[Array, "3 3"]:
    """R(q) of a quaternion of any length but zero."""
    scale = 2 / jnp.dot(quat, quat)
    w, x, y, z = quat
    xs, ys, zs = x * scale, y * scale, z * scale
    wx, wy, wz = w * xs, w * ys, w * zs
    xx, xy, xz = x * xs, x * ys, x * zs
    yy, yz, zz = y * ys, y * zs, z * zs
    return jnp.array(
        [
            jnp.array([1 - (yy + zz), xy - wz, xz + wy]),
            jnp.array([xy + wz, 1 - (xx + zz), yz - wx]),
            jnp.array([xz - wy, yz + wx, 1 - (xx + yy)]),
        ]
    )


def all_joints(hand: HandModel, active: Float[Array, " active"]) -> Float[Array, " joints"]:
    """Angles of every hinge from the active ones: q = A q_active + b (DIP, mimic, tendon, fixed)."""
    linear = jnp.asarray(hand.coupling, active.dtype)
    # highest: a GPU would round the angles to three digits
    turned = jnp.matmul(linear, active, precision=jax.lax.Precision.HIGHEST)
    return turned + jnp.asarray(hand.coupling_offset, active.dtype)


class Chain(NamedTuple):
    """All links, and every hinge as it stands in the object frame: what J^T needs.

    Attributes:
      links: pose of every link.
      axis: unit directions of the hinges.
      anchor: a point on each hinge, metres.
    """

    links: Transform
    axis: Float[Array, "joints 3"]
    anchor: Float[Array, "joints 3"]


def link_transforms(hand: HandModel, base: Transform, active: Float[Array, " active"]) -> Transform:
    """Pose of every link in the object frame for one hand; vmap for a batch. See `chain`."""
    return chain(hand, base, active).links


def chain(hand: HandModel, base: Transform, active: Float[Array, " active"]) -> Chain:
    """Pose of every link and hinge in the object frame for one hand; vmap for a batch.

    T_link = T_parent T_parent_link prod_j [anchor_j] Rot(axis_j, q_j) [-anchor_j], MuJoCo's rule for several
    hinges on one body (MuJoCo documentation, "Kinematic tree").

    Args:
      hand: the model; static.
      base: pose of link 0, metres and unit quaternion wxyz.
      active: active joint angles, radians.

    Returns:
      Links as a Transform with `pos` [links, 3] and `rot` [links, 4], hinges in `joint_names` order.
    """
    dtype = active.dtype
    tree = _levels(hand)
    angles = jnp.concatenate([all_joints(hand, active), jnp.zeros(1, dtype)])
    pos, rot = base.pos[None], base.rot[None]
    axes, anchors = [], []
    for level in tree:
        parent = Transform(pos=pos[level.parent], rot=rot[level.parent])
        pose = _compose(
            parent, Transform(pos=jnp.asarray(level.pos, dtype), rot=jnp.asarray(level.rot, dtype))
        )
        for joint, axis, anchor in zip(level.joint, level.axis, level.anchor, strict=True):
            p, a = jnp.asarray(anchor, dtype), jnp.asarray(axis, dtype)
            axes.append(jax.vmap(turned)(a, pose.rot))
            anchors.append(pose.pos + jax.vmap(turned)(p, pose.rot))
            turn = jax.vmap(quat_about)(a, angles[joint])
            pose = _compose(pose, Transform(pos=p - jax.vmap(turned)(p, turn), rot=turn))
        pos, rot = jnp.concatenate([pos, pose.pos]), jnp.concatenate([rot, pose.rot])
    order = np.argsort(np.concatenate([[0], *[level.link for level in tree]]))
    slot = np.argsort(np.concatenate([j for level in tree for j in level.joint]), kind="stable")
    slot = slot[: len(hand.joint_names)]  # the padding hinges sort last
    return Chain(
        Transform(pos=pos[order], rot=rot[order]), jnp.concatenate(axes)[slot], jnp.concatenate(anchors)[slot]
    )


def jacobian_transpose(
    hand: HandModel, at: Chain, grad_p: Float[Array, "links 3"], grad_w: Float[Array, "links 3"]
) -> tuple[Float[Array, "3"], Float[Array, "3"], Float[Array, " active"]]:
    """Jᵀ: the gradient by base position, base rotation and active joints, from those of the links.

    dE/dq_j = a_j . (W_j - c_j x P_j), with P_j, W_j the sums over all links that hinge j moves; the base
    gets sum P and sum W - p x P. A rotation's entry is dE by a turn about each axis of the object frame.

    Args:
      hand: static.
      at: from `chain`.
      grad_p: dE by a shift of each link: dE/dp summed over its points.
      grad_w: dE by a turn of each link about the object frame's axes: p x dE/dp summed over its points.
    """
    dtype = grad_p.dtype
    high = jax.lax.Precision.HIGHEST
    moved = jnp.asarray(moves_link(hand), dtype)
    P, W = (jnp.matmul(moved, x, precision=high) for x in (grad_p, grad_w))
    hinge = jnp.sum(at.axis * (W - jnp.cross(at.anchor, P)), axis=1)
    shift = jnp.sum(grad_p, axis=0)
    turn = jnp.sum(grad_w, axis=0) - jnp.cross(at.links.pos[0], shift)
    return shift, turn, jnp.matmul(hinge, jnp.asarray(hand.coupling, dtype), precision=high)


@lru_cache(maxsize=16)
def moves_link(hand: HandModel) -> np.ndarray:
    """1 where hinge j moves link l."""
    links = len(hand.link_names)
    under = np.eye(links, dtype=bool)
    for i in range(1, links):  # parents come first
        under[:, i] |= under[:, hand.link_parent[i]]
    return under[hand.joint_link].astype(float)


class _Level(NamedTuple):
    """Links at one depth of the tree; hinges are padded by a dummy that never turns."""

    link: np.ndarray
    parent: np.ndarray
    pos: np.ndarray
    rot: np.ndarray
    joint: np.ndarray
    axis: np.ndarray
    anchor: np.ndarray


@lru_cache(maxsize=16)
def _levels(hand: HandModel) -> tuple[_Level, ...]:
    """The tree by depth: a few wide steps compile some fifty times faster than one step a link."""
    depth = np.zeros(len(hand.link_names), dtype=int)
    for i, parent in enumerate(hand.link_parent):
        depth[i] = 0 if parent < 0 else depth[parent] + 1
    if (hand.joint_link == 0).any():
        raise ValueError("got a hinge on the base link; expected the base to be moved by hand_pose alone")
    seen = [0]
    levels = []
    for d in range(1, int(depth.max()) + 1):
        link = np.flatnonzero(depth == d)
        hinges = [np.flatnonzero(hand.joint_link == i) for i in link]
        width = max(len(h) for h in hinges)
        dummy = len(hand.joint_names)
        joint = np.array([[h[k] if k < len(h) else dummy for h in hinges] for k in range(width)], dtype=int)
        axis = np.concatenate([hand.joint_axis, [[1.0, 0.0, 0.0]]])
        anchor = np.concatenate([hand.p_link_joint, np.zeros((1, 3))])
        levels.append(
            _Level(
                link=link,
                parent=np.array([seen.index(p) for p in hand.link_parent[link]]),
                pos=hand.p_parent_link[link],
                rot=hand.q_parent_link[link],
                joint=joint.reshape(width, len(link)),
                axis=axis[joint].reshape(width, len(link), 3),
                anchor=anchor[joint].reshape(width, len(link), 3),
            )
        )
        seen += list(link)
    return tuple(levels)


def _compose(a: Transform, b: Transform) -> Transform:
    return jax.vmap(lambda x, y: x.do(y))(a, b)


def place(links: Transform, link: np.ndarray, points: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """Points fixed to links, moved to the object frame: p = p_link + R(q_link) p_link_point."""
    return links.pos[link] + rotate(links, link, points)


def rotate(links: Transform, link: np.ndarray, vectors: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """Vectors fixed to links, turned to the object frame."""
    R = jax.vmap(quat_to_matrix)(links.rot)
    return jnp.einsum("nij,nj->ni", R[link], vectors, precision=jax.lax.Precision.HIGHEST)


@lru_cache(maxsize=16)
def _chains(hand: HandModel):
    def one(pose: Array, joints: Array) -> Chain:
        rot = pose[3:] / jnp.linalg.norm(pose[3:])
        return chain(hand, Transform(pos=pose[:3], rot=rot), joints)

    return Stored(jax.vmap(one), "chain", (hand,))


def posed(hand: HandModel, hand_pose: np.ndarray, joints: np.ndarray, what: str) -> np.ndarray:
    """Numpy convenience over `chain` for a batch [..., 7], [..., active] -> [..., n, 3].

    `what`: skin, skin_normal, sphere, pad, pad_normal, link (origins), hinge (anchors) or
    hinge_normal (axes). Batches are padded to a power of two from 8 on, so that few shapes are ever
    compiled; points are placed in numpy, so that all of them share that one. Of one hand, [7] and [active],
    nothing is compiled at all.
    """
    if what in ("link", "hinge", "hinge_normal"):
        lead, at = _linked(hand, hand_pose, joints)
        out = {"link": at.links.pos, "hinge": at.anchor, "hinge_normal": at.axis}[what]
        return np.asarray(out, dtype=np.float64)[: int(np.prod(lead))].reshape(*lead, -1, 3)
    blend = hand.skin_blend if what == "skin" else None
    link, points = {
        "skin": (hand.skin_link if blend is None else blend.frame, hand.p_link_skin),
        "skin_normal": (hand.skin_link, hand.n_link_skin),
        "sphere": (hand.sphere_link, hand.p_link_sphere),
        "pad": (hand.pad_link, hand.p_link_pad),
        "pad_normal": (hand.pad_link, hand.n_link_pad),
    }[what]
    return posed_points(hand, hand_pose, joints, link, points, what.endswith("normal"), blend)


#: Rows that are placed at a time: what stays in a core's cache.
_BLOCK = 512


def posed_points(
    hand: HandModel,
    hand_pose: np.ndarray,
    joints: np.ndarray,
    link: Int[np.ndarray, " points"],
    points: Float[np.ndarray, "points 3"],
    turn_only: bool = False,
    blend: Blend | None = None,
) -> np.ndarray:
    """As `posed`, for any points fixed to links, or to frames between them.

    Args:
      hand_pose, joints: [..., 7] and [..., active].
      link: of each point.
      points: link frames, metres.
      turn_only: they are directions.
      blend: the frames that `link` counts behind the links.
    """
    lead, at = _linked(hand, hand_pose, joints)
    n = int(np.prod(lead))
    pos, rot = (np.asarray(x, dtype=np.float64)[:n] for x in (at.links.pos, at.links.rot))
    out = np.empty((n, len(points), 3))
    own = [(i, _slice(np.flatnonzero(link == i))) for i in np.unique(link)]

    def block(first: int) -> None:
        rows = slice(first, first + _BLOCK)
        at, turn = pos[rows], rot[rows]
        if blend is not None:
            at, turn = with_frames(blend, at, turn)
        R = wxyz_to_matrix(turn)
        for i, of in own:  # some products instead of a matrix for every point
            placed = points[of] @ R[:, i].transpose(0, 2, 1)
            out[rows, of] = placed if turn_only else placed + at[:, i, None]

    firsts = range(0, n, _BLOCK)
    if len(firsts) == 1:
        block(0)
    else:
        with ThreadPoolExecutor() as pool:
            list(pool.map(block, firsts))
    return out.reshape(*lead, -1, 3)


def _slice(places: np.ndarray) -> np.ndarray | slice:
    """The same places, as a slice where they follow each other: copying is then free of the interpreter."""
    return slice(places[0], places[-1] + 1) if np.ptp(places) == len(places) - 1 else places


def _linked(hand: HandModel, hand_pose: np.ndarray, joints: np.ndarray) -> tuple[tuple[int, ...], Chain]:
    """The batch's shape, and its chains, padded."""
    lead = np.broadcast_shapes(hand_pose.shape[:-1], joints.shape[:-1])
    if not lead:
        base, active = np.asarray(hand_pose, float), np.asarray(joints, float)
        return lead, _one(hand, base.tobytes(), active.tobytes())
    pose = np.broadcast_to(hand_pose, (*lead, 7)).reshape(-1, 7).astype(np.float32)
    q = np.broadcast_to(joints, (*lead, joints.shape[-1])).reshape(len(pose), -1).astype(np.float32)
    size = max(8, 1 << max(len(pose) - 1, 0).bit_length())
    pad = [(0, size - len(pose)), (0, 0)]
    return lead, _chains(hand)(np.pad(pose, pad, mode="edge"), np.pad(q, pad, mode="edge"))


@lru_cache(maxsize=256)
def _one(hand: HandModel, base_bytes: bytes, active_bytes: bytes) -> Chain:
    """`chain` of a single hand, link by link in numpy, as a batch of one: to compile takes ten seconds.

    Kept by its numbers: several kinds of points are asked of one hand, and grasp types' joints of many.
    """
    base, active = np.frombuffer(base_bytes), np.frombuffer(active_bytes)
    angle = hand.coupling @ active + hand.coupling_offset
    T = np.zeros((len(hand.link_names), 7))
    T[0] = np.concatenate([base[:3], unit(base[3:])])
    axis, anchor = np.zeros((2, len(hand.joint_names), 3))
    rest = np.concatenate([hand.p_parent_link, hand.q_parent_link], axis=1)
    for i in range(1, len(T)):  # parents come first
        at = compose(T[hand.link_parent[i]], rest[i])
        for j in np.flatnonzero(hand.joint_link == i):
            a, p = hand.joint_axis[j], hand.p_link_joint[j]
            axis[j], anchor[j] = transform_directions(at, a), transform_points(at, p)
            turn = np.concatenate([np.zeros(3), [np.cos(angle[j] / 2)], np.sin(angle[j] / 2) * a])
            turn[:3] = p - transform_points(turn, p)
            at = compose(at, turn)
        T[i] = at
    for kept in (T, axis, anchor):  # what is kept is nobody's to change
        kept.setflags(write=False)
    batch: tuple[Any, ...] = (T[None, :, :3], T[None, :, 3:], axis[None], anchor[None])  # numpy's
    return Chain(Transform(*batch[:2]), *batch[2:])


def posed_in_palm(hand: HandModel, joints: np.ndarray, what: str) -> np.ndarray:
    """As `posed`, in the hand's own palm frame, wherever it is: x along D_finger, z along D_palm."""
    points = posed(hand, IDENTITY, joints, what)
    return (points if what.endswith("normal") else points - hand.p_base_palm) @ hand.R_base_palm


def posed_skin(hand: HandModel, hand_pose: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Skin vertices [..., vertices, 3] in the object frame, metres."""
    return posed(hand, hand_pose, joints, "skin")


def posed_spheres(hand: HandModel, hand_pose: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Sphere centres [..., spheres, 3] in the object frame, metres."""
    return posed(hand, hand_pose, joints, "sphere")


def palm_from_base(
    hand: HandModel, hand_pose: Float[np.ndarray, "*n 7"]
) -> tuple[Float[np.ndarray, "*n 3"], Float[np.ndarray, "*n 3 3"]]:
    """(T', R') of the palm frame in the object frame; undoes `base_from_palm`."""
    R = wxyz_to_matrix(hand_pose[..., 3:])
    return hand_pose[..., :3] + R @ hand.p_base_palm, R @ hand.R_base_palm


def base_from_palm(hand: HandModel, p_obj_palm: np.ndarray, R_obj_palm: np.ndarray) -> np.ndarray:
    """`hand_pose` [..., 7] (xyz wxyz of link 0) that puts the palm frame where T', R' want it."""
    R = R_obj_palm @ hand.R_base_palm.T
    return make_pose(p_obj_palm - R @ hand.p_base_palm, R)
