"""AffordPose's thumb put on human16's: same number of joints, other axes, so that directions decide."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.hands.model import HandModel
from zdg_jax.pose import wxyz_to_matrix

# ManoHand/hand.xml, the thumb's chain: rotation of its base in the palm, then of each joint theta's offset
# (degrees), d, a (metres), alpha (degrees), Denavit-Hartenberg
BASE = np.array([[-0.1486, 0.2665, -0.9522], [-0.9003, 0.3618, 0.2418], [0.4089, 0.8933, 0.1862]])
CHAIN = (
    (0.0, 0.0, 0.0, 90.0),
    (49.739, 0.00244, 0.03069, 44.0),
    (20.502, 0.00772, 0.02597, 30.0),
    (0.0, 0.0, 0.0, 0.0),
)
LINKS = ("thumb_metacarpal", "thumb_proximal", "thumb_distal")
ITERATIONS = 20
STEP = 1e-5  # radians, for the Jacobian


def graspit_bones(dofs: Float[np.ndarray, "rows 4"]) -> Float[np.ndarray, "rows 3 3"]:
    """Unit directions of metacarpal, proximal and distal bone in GraspIt!'s palm frame, [rows, bone, xyz].

    T_i = Rz(q_i + θ_i) Tz(d_i) Tx(a_i) Rx(α_i); the first two bones join the frames' origins, the last one
    lies along x of its frame.

    Args:
      dofs: the last four, radians.
    """
    R, bones = np.broadcast_to(BASE, (len(dofs), 3, 3)), []
    for q, (offset, d, a, alpha) in zip(dofs.T, CHAIN, strict=True):
        R = R @ _turn(q + np.deg2rad(offset), 2)
        if a > 0:
            bones.append(R @ np.array([a, 0.0, d]))
        R = R @ _turn(np.full(len(dofs), np.deg2rad(alpha)), 0)
    bones = np.stack([*bones, R[..., 0]], axis=1)
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def human16_bones(hand: HandModel, joints: Float[np.ndarray, "rows active"]) -> Float[np.ndarray, "rows 3 3"]:
    """The same of human16, in its link 0: joint to joint, and last joint to the pad's height.

    In numpy: the compiled kinematics would be compiled for every number of rows.
    """
    angles = joints @ hand.coupling.T + hand.coupling_offset
    R, bones = np.tile(np.eye(3), (len(joints), 1, 1)), []
    for name in LINKS:
        link = hand.link_names.index(name)
        step = R @ hand.p_parent_link[link]
        if name != LINKS[0]:
            bones.append(step)
        R = R @ wxyz_to_matrix(hand.q_parent_link[link])
        for j in np.flatnonzero(hand.joint_link == link):
            R = R @ Rotation.from_rotvec(angles[:, j, None] * hand.joint_axis[j]).as_matrix()
    pad = hand.pad_names.index("thumb")
    point, normal = hand.p_link_pad[pad], hand.n_link_pad[pad]
    bones = np.stack([*bones, R @ (point - (point @ normal) * normal)], axis=1)
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def thumb_joints(
    hand: HandModel, wanted: Float[np.ndarray, "rows 3 3"], joints: Float[np.ndarray, "rows active"]
) -> Float[np.ndarray, "rows active"]:
    """Joints with the thumb's four chosen so that Σ |b_i - wanted_i|² is least, within limits.

    Levenberg and Marquardt's steps for all rows at once, a joint at its limit held there while the gradient
    pushes it out.

    Args:
      hand: human16.
      wanted: unit directions in its link 0.
      joints: the other joints, radians.
    """
    free = np.array([i for i, name in enumerate(hand.active_names) if name.startswith("thumb")])
    low, high = hand.lower[free], hand.upper[free]
    result = joints.copy()

    def residual(x: np.ndarray) -> np.ndarray:
        full = np.repeat(result, len(x) // len(result), axis=0)
        full[:, free] = x
        bones = human16_bones(hand, full) - np.repeat(wanted, len(x) // len(wanted), axis=0)
        return bones.reshape(len(x), -1)

    x = np.tile((low + high) / 2, (len(joints), 1))
    damping = np.full(len(x), 1e-2)
    r = residual(x)
    for _ in range(ITERATIONS):
        near = x[:, None] + STEP * np.concatenate([np.eye(4), -np.eye(4)])
        bones = residual(near.reshape(-1, 4)).reshape(len(x), 2, 4, -1)
        J = (bones[:, 0] - bones[:, 1]) / (2 * STEP)  # [rows, 4, 9]
        slope = np.einsum("rij,rj->ri", J, r)
        held = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        J = np.where(held[..., None], 0.0, J)
        H = J @ J.transpose(0, 2, 1) + damping[:, None, None] * np.eye(4)
        step = np.linalg.solve(H, np.where(held, 0.0, slope)[..., None])[..., 0]
        trial = np.clip(x - step, low, high)
        r_trial = residual(trial)
        better = (r_trial**2).sum(axis=1) < (r**2).sum(axis=1)
        x, r = np.where(better[:, None], trial, x), np.where(better[:, None], r_trial, r)
        damping = np.where(better, damping / 3, damping * 5).clip(1e-6, 1e3)
    result[:, free] = x
    return result


def _turn(angle: Float[np.ndarray, " rows"], axis: int) -> Float[np.ndarray, "rows 3 3"]:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    R = np.tile(np.eye(3), (len(angle), 1, 1))
    R[:, i, i] = R[:, j, j] = np.cos(angle)
    R[:, j, i] = np.sin(angle)
    R[:, i, j] = -R[:, j, i]
    return R
