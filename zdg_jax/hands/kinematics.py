"""Batched, differentiable forward kinematics on brax's `Transform`."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zdg_jax._brax import Transform, math
from zdg_jax.hands.model import HandModel


def all_joints(hand: HandModel, active: Float[Array, " active"]) -> Float[Array, " joints"]:
    """Angles of every hinge from the active ones: q = A q_active + b (DIP, mimic, tendon, fixed)."""
    return jnp.asarray(hand.coupling, active.dtype) @ active + jnp.asarray(hand.coupling_offset, active.dtype)


def link_transforms(hand: HandModel, base: Transform, active: Float[Array, " active"]) -> Transform:
    """Pose of every link in the object frame for one hand; vmap for a batch.

    T_link = T_parent T_parent_link prod_j [anchor_j] Rot(axis_j, q_j) [-anchor_j], MuJoCo's rule for several
    hinges on one body (MuJoCo documentation, "Kinematic tree").

    Args:
      hand: the model; static.
      base: pose of link 0, metres and unit quaternion wxyz.
      active: active joint angles, radians.

    Returns:
      Transform with `pos` [links, 3] and `rot` [links, 4].
    """
    dtype = active.dtype
    q = all_joints(hand, active)
    out: list[Transform] = []
    for i in range(len(hand.link_names)):
        if hand.link_parent[i] < 0:
            pose = base
        else:
            local = Transform(
                pos=jnp.asarray(hand.p_parent_link[i], dtype), rot=jnp.asarray(hand.q_parent_link[i], dtype)
            )
            pose = out[int(hand.link_parent[i])].do(local)
        for j in np.flatnonzero(hand.joint_link == i):
            anchor = jnp.asarray(hand.p_link_joint[j], dtype)
            turn = math.quat_rot_axis(jnp.asarray(hand.joint_axis[j], dtype), q[j])
            pose = pose.do(Transform(pos=anchor - math.rotate(anchor, turn), rot=turn))
        out.append(pose)
    return Transform(pos=jnp.stack([t.pos for t in out]), rot=jnp.stack([t.rot for t in out]))


def place(links: Transform, link: np.ndarray, points: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """Points fixed to links, moved to the object frame: p = p_link + R(q_link) p_link_point."""
    return links.pos[link] + rotate(links, link, points)


def rotate(links: Transform, link: np.ndarray, vectors: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """Vectors fixed to links, turned to the object frame."""
    R = jax.vmap(math.quat_to_3x3)(links.rot)
    return jnp.einsum("nij,nj->ni", R[link], vectors)


@lru_cache(maxsize=16)
def _posed(hand: HandModel, what: str):
    link, points = {
        "skin": (hand.skin_link, hand.p_link_skin),
        "skin_normal": (hand.skin_link, hand.n_link_skin),
        "sphere": (hand.sphere_link, hand.p_link_sphere),
        "pad": (hand.pad_link, hand.p_link_pad),
        "pad_normal": (hand.pad_link, hand.n_link_pad),
        "link": (np.arange(len(hand.link_names)), np.zeros((len(hand.link_names), 3))),
    }[what]
    move = rotate if what.endswith("normal") else place

    def one(pose: Array, joints: Array) -> Array:
        rot = pose[3:] / jnp.linalg.norm(pose[3:])
        return move(link_transforms(hand, Transform(pos=pose[:3], rot=rot), joints), link, jnp.asarray(points, pose.dtype))

    return jax.jit(jax.vmap(one))


def posed(hand: HandModel, hand_pose: np.ndarray, joints: np.ndarray, what: str) -> np.ndarray:
    """Numpy convenience over `link_transforms` for a batch [..., 7], [..., active] -> [..., n, 3].

    `what`: skin, skin_normal, sphere, pad, pad_normal or link (origins). Batches are padded to a power of
    two, so that few shapes are ever compiled.
    """
    lead = np.broadcast_shapes(hand_pose.shape[:-1], joints.shape[:-1])
    pose = np.broadcast_to(hand_pose, (*lead, 7)).reshape(-1, 7).astype(np.float32)
    q = np.broadcast_to(joints, (*lead, joints.shape[-1])).reshape(len(pose), -1).astype(np.float32)
    n = len(pose)
    size = 1 << max(n - 1, 0).bit_length()
    pad = [(0, size - n), (0, 0)]
    out = _posed(hand, what)(np.pad(pose, pad, mode="edge"), np.pad(q, pad, mode="edge"))
    return np.asarray(out)[:n].reshape(*lead, -1, 3).astype(np.float64)


def posed_skin(hand: HandModel, hand_pose: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Skin vertices [..., vertices, 3] in the object frame, metres."""
    return posed(hand, hand_pose, joints, "skin")


def posed_spheres(hand: HandModel, hand_pose: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Sphere centres [..., spheres, 3] in the object frame, metres."""
    return posed(hand, hand_pose, joints, "sphere")


def base_from_palm(hand: HandModel, p_obj_palm: np.ndarray, R_obj_palm: np.ndarray) -> np.ndarray:
    """`hand_pose` [..., 7] (xyz wxyz of link 0) that puts the palm frame where T', R' want it."""
    from scipy.spatial.transform import Rotation

    R = R_obj_palm @ hand.R_base_palm.T
    p = p_obj_palm - np.einsum("...ij,j->...i", R, hand.p_base_palm)
    xyzw = Rotation.from_matrix(R).as_quat()
    return np.concatenate([p, xyzw[..., 3:], xyzw[..., :3]], axis=-1)
