"""G = (T, R, theta) as the optimiser sees it, in the frame of the distance field, and the hand it poses."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from zdg_jax.errors import UserError
from zdg_jax.hands.kinematics import Chain, Transform, chain, posed_spheres, quat_to_matrix
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import matrix_to_wxyz

#: Translation is optimised in units of 0.1 m, so that the paper's one learning rate, 0.005, means half a
#: millimetre a step for T as it means a quarter of a degree for R and theta.
POSITION_UNIT = 0.1


class Variables(NamedTuple):
    """G = (T, R, theta) as optimised: T in POSITION_UNIT, R a quaternion of any length, theta radians."""

    position: Float[Array, "*b 3"]
    rotation: Float[Array, "*b 4"]
    joints: Float[Array, "*b active"]


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


def to_field(
    R_field_obj: Float[np.ndarray, "3 3"], hand_pose: Float[np.ndarray, "*k 7"]
) -> Float[np.ndarray, "*k 7"]:
    """p_field = R_field_obj p_obj and q_field = q(R_field_obj) q_obj; other numbers than finite stay so.

    Args:
      R_field_obj: from `SignedDistanceField`; both frames have one origin.
      hand_pose: xyz (metres) wxyz, object frame.
    """
    return _turned(R_field_obj, hand_pose)


def to_object(
    R_field_obj: Float[np.ndarray, "3 3"], hand_pose: Float[np.ndarray, "*k 7"]
) -> Float[np.ndarray, "*k 7"]:
    """The inverse of `to_field`, with w >= 0.

    Args:
      R_field_obj: from `SignedDistanceField`.
      hand_pose: xyz (metres) wxyz, field frame.
    """
    pose = _turned(R_field_obj.T, hand_pose)
    pose[..., 3:] *= np.where(pose[..., 3:4] < 0.0, -1.0, 1.0)
    return pose


def _turned(R: np.ndarray, hand_pose: np.ndarray) -> np.ndarray:
    # not `pose.compose`: a start without a rotation goes through as it is, and ends as refine_nan
    w, x, y, z = _quaternion(np.ascontiguousarray(R, np.float64).tobytes())
    turn = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])  # q -> turn * q
    pose = np.asarray(hand_pose, dtype=np.float64)
    # no matrix product: its last bits depend on how many rows there are
    return np.concatenate([_times(R, pose[..., :3]), _times(turn, pose[..., 3:])], axis=-1)


@lru_cache(maxsize=1024)  # the tasks of an object share its rotation
def _quaternion(R: bytes) -> tuple[float, ...]:
    return tuple(matrix_to_wxyz(np.frombuffer(R).reshape(3, 3)))


def _times(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (matrix * rows[..., None, :]).sum(axis=-1)


# The hand's points as constants of the compiled functions, and how links place them.
#: Low bits of a sortable distance that hold the number of its sphere (see `objective.sphere_keys`).
SPHERE_BITS = 9


class Layout(NamedTuple):
    """The hand's points as constants of the compiled function.

    Attributes:
      placing: points = frame @ placing, with frame [3, links * 4] the links' [R | p] side by side.
      counts: skin vertices, spheres, pads.
      mean_weight: of skin vertices in the means of eqs. 6, 7 and E_cmap.
      sphere: numbers of the hand's spheres in the order used here, those of E_spen first.
      min_distance: r_a + r_b of the pairs of E_spen, -1 where a pair does not count.
      skin_to_link, pad_to_link, sphere_to_link: one-hot.
      radius: of the spheres, metres; 0 for one that stands in another's centre (see `distinct`).
    """

    placing: np.ndarray
    counts: tuple[int, int, int]
    mean_weight: tuple[np.ndarray, np.ndarray, np.ndarray]
    sphere: np.ndarray
    min_distance: np.ndarray
    skin_to_link: np.ndarray
    pad_to_link: np.ndarray
    sphere_to_link: np.ndarray
    radius: np.ndarray


@lru_cache(maxsize=16)
def layout(hand: HandModel) -> Layout:
    """The hand's points, weights and pairs in the form that the objective multiplies with.

    Raises:
      UserError: more spheres than `objective.sphere_keys` numbers.
    """
    if len(hand.sphere_link) > 1 << SPHERE_BITS:
        raise UserError(
            f"{len(hand.sphere_link)} spheres on hand {hand.name}",
            f"at most {1 << SPHERE_BITS}",
            "cover its links with fewer, larger spheres",
        )
    f32, links = np.float32, len(hand.link_names)
    eye = np.eye(links, dtype=f32)
    first = self_collision_spheres(hand)
    sphere = np.concatenate([first, np.setdiff1d(np.arange(len(hand.sphere_link)), first)])
    link = np.concatenate([hand.skin_link, hand.sphere_link[sphere], hand.pad_link])
    local = np.concatenate([hand.p_link_skin, hand.p_link_sphere[sphere], hand.p_link_pad])
    placing = np.zeros((links, 4, len(link)), f32)
    placing[link, :, np.arange(len(link))] = np.concatenate([local, np.ones((len(local), 1))], axis=1)
    allowed = np.zeros((len(sphere),) * 2, dtype=bool)
    allowed[hand.sphere_pairs[:, 0], hand.sphere_pairs[:, 1]] = True
    allowed |= allowed.T
    r = hand.sphere_radius
    min_distance = np.where(allowed, r[:, None] + r[None, :], -1.0)[np.ix_(first, first)]
    func = hand.functional
    means = (func / max(func.sum(), 1), ~func / max((~func).sum(), 1), np.full(len(func), 1 / len(func)))
    return Layout(
        placing=placing.reshape(links * 4, -1),
        counts=(len(hand.skin_link), len(sphere), len(hand.pad_link)),
        mean_weight=(means[0].astype(f32), means[1].astype(f32), means[2].astype(f32)),
        sphere=sphere,
        min_distance=min_distance.astype(f32),
        skin_to_link=eye[hand.skin_link],
        pad_to_link=eye[hand.pad_link],
        sphere_to_link=eye[hand.sphere_link[sphere]],
        radius=np.where(distinct(hand), r, 0.0)[sphere].astype(f32),
    )


def distinct(hand: HandModel) -> Bool[np.ndarray, " spheres"]:
    """False for a sphere whose centre is that of another, no smaller one: at joints both links bring one.

    Which of the two a sample touches would be decided by rounding, and with it the link that moves.
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


#: E_spen takes `FEW` spheres, which the table of the kernel holds at no more cost, or fewer if no gap is
#: over `DENSE` radii then; where one over `SPARSE` is left, as on hands covered by many small ones, all it
#: takes to have none over `CLOSE`.
FEW, DENSE, SPARSE, CLOSE = 64, 0.5, 1.2, 0.9


def self_collision_spheres(hand: HandModel) -> Int[np.ndarray, " few"]:
    """Numbers of the spheres of E_spen: of every link the largest, then whichever lies furthest, in its own
    radii, from those of its link that are chosen.

    Taken at gaps of 1.2 radii instead, the largest first, they left out fingertips: of 464 kept grasps 32
    stood in themselves by over 0.5 mm, 3 mm on average, and E_spen was 0 for all of them. Of 24 around thin
    stems and handles 18 did, with these 2.
    """
    center, radius, link = hand.p_link_sphere, hand.sphere_radius, hand.sphere_link
    gap = np.full(len(radius), np.inf)
    keep: list[int] = []

    def take(s: int) -> None:
        mine = link == link[s]
        gap[mine] = np.minimum(gap[mine], np.linalg.norm(center[mine] - center[s], axis=1) / radius[mine])
        keep.append(s)

    for own in (np.flatnonzero(link == number) for number in np.unique(link)):
        take(int(own[np.argmax(radius[own])]))
    while len(keep) < FEW and gap.max(initial=0.0) > DENSE:
        take(int(np.argmax(gap)))
    while gap.max(initial=0.0) > (SPARSE if len(keep) == FEW else CLOSE):
        take(int(np.argmax(gap)))
    return np.array(sorted(keep))


def place_all(links: Transform, placing: Float[np.ndarray, "frame n"]) -> Float[Array, "3 n"]:
    """Points of the hand in the frame of `links`: [R | p] of all links side by side, times `placing`.

    Args:
      links: of one grasp.
      placing: `Layout.placing` or some of its columns.
    """
    R = jax.vmap(quat_to_matrix)(links.rot)
    frame = jnp.concatenate([R, links.pos[:, :, None]], axis=2)  # [links, 3, 4]
    rows = jnp.transpose(frame, (1, 0, 2)).reshape(3, -1)
    return jnp.matmul(rows, jnp.asarray(placing), precision=jax.lax.Precision.HIGHEST)
