"""Poses and rotations in numpy: the one place that knows the order of their numbers.

A pose T_a_b is [..., 7]: the position of b in a (metres), then the rotation as a quaternion w, x, y, z of any
length but zero. Batch axes lead and broadcast. Where a quaternion is zero or not finite the result is NaN, so
that a bad row of a batch stays alone.

    compose(T_a_b, T_b_c)           T_a_c
    relative_pose(T_a_b, T_a_c)     T_b_c
    transform_points(T_a_b, p_b)    p_a

scipy's order, x, y, z, w, appears here alone; JAX code turns by `transform`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

#: The pose that leaves everything where it is.
IDENTITY = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
#: Quaternions shorter than this are no rotation.
SHORTEST = 1e-9


def compose(T_a_b: Float[np.ndarray, "*a 7"], T_b_c: Float[np.ndarray, "*b 7"]) -> Float[np.ndarray, "*c 7"]:
    """T_a_c = T_a_b T_b_c: p = p_ab + R_ab p_bc, q = q_ab q_bc."""
    turn = _product(_normalised(T_a_b[..., 3:]), _normalised(T_b_c[..., 3:]))
    p = np.where(np.isnan(turn[..., :1]), np.nan, transform_points(T_a_b, T_b_c[..., :3]))
    return np.concatenate([p, turn], axis=-1)


def inverse(T_a_b: Float[np.ndarray, "*a 7"]) -> Float[np.ndarray, "*a 7"]:
    """T_b_a: p = -R_ab^T p_ab, q = conj(q_ab)."""
    turn = _normalised(T_a_b[..., 3:]) * [1.0, -1.0, -1.0, -1.0]
    return np.concatenate([-_times(wxyz_to_matrix(turn), T_a_b[..., :3]), turn], axis=-1)


def relative_pose(
    T_a_b: Float[np.ndarray, "*a 7"], T_a_c: Float[np.ndarray, "*b 7"]
) -> Float[np.ndarray, "*c 7"]:
    """T_b_c = T_a_b^-1 T_a_c."""
    return compose(inverse(T_a_b), T_a_c)


def transform_points(
    T_a_b: Float[np.ndarray, "*a 7"], p_b: Float[np.ndarray, "*b 3"]
) -> Float[np.ndarray, "*c 3"]:
    """p_a = p_ab + R_ab p_b, metres; many points of one pose: `transform_points(T[..., None, :], p)`."""
    return T_a_b[..., :3] + transform_directions(T_a_b, p_b)


def transform_directions(
    T_a_b: Float[np.ndarray, "*a 7"], v_b: Float[np.ndarray, "*b 3"]
) -> Float[np.ndarray, "*c 3"]:
    """v_a = R_ab v_b."""
    return _times(wxyz_to_matrix(T_a_b[..., 3:]), v_b)


def make_pose(p: Float[np.ndarray, "*a 3"], R: Float[np.ndarray, "*b 3 3"]) -> Float[np.ndarray, "*c 7"]:
    """The pose at p, metres, turned by R."""
    turn = matrix_to_wxyz(R)
    lead = np.broadcast_shapes(p.shape[:-1], turn.shape[:-1])
    return np.concatenate([np.broadcast_to(p, (*lead, 3)), np.broadcast_to(turn, (*lead, 4))], axis=-1)


def wxyz_to_matrix(wxyz: Float[np.ndarray, "*a 4"]) -> Float[np.ndarray, "*a 3 3"]:
    """R of a quaternion."""
    w, x, y, z = np.moveaxis(_normalised(wxyz), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_wxyz(R: Float[np.ndarray, "*a 3 3"]) -> Float[np.ndarray, "*a 4"]:
    """The unit quaternion of a rotation matrix, or of the rotation nearest to the matrix; finite."""
    return rotation_to_wxyz(Rotation.from_matrix(R.reshape(-1, 3, 3))).reshape(*R.shape[:-2], 4)


def wxyz_to_rotation(wxyz: Float[np.ndarray, "*a 4"]) -> Rotation:
    """scipy's rotations of quaternions of which none is bad; several batch axes are laid flat."""
    return Rotation.from_quat(wxyz.reshape(-1, 4) if wxyz.ndim > 1 else wxyz, scalar_first=True)


def rotation_to_wxyz(rotation: Rotation) -> Float[np.ndarray, "*a 4"]:
    """Unit quaternions of scipy's rotations."""
    return rotation.as_quat(scalar_first=True)


def is_pose(T_a_b: Float[np.ndarray, "*a 7"]) -> Bool[np.ndarray, "*a"]:
    """Whether each is a pose of a hand: finite, and its quaternion longer than 1e-6."""
    finite = np.isfinite(T_a_b)
    turn = np.linalg.norm(np.where(finite, T_a_b, 0.0)[..., 3:], axis=-1)
    return np.asarray(finite.all(axis=-1) & (turn > 1e-6))


def unit(v: Float[np.ndarray, "*a n"]) -> Float[np.ndarray, "*a n"]:
    """v / |v| along the last axis; zero stays zero."""
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return v / np.where(length > 0, length, 1)


def frame_about(axis: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Columns x, y, z of a right-handed frame with z along a unit axis; x lies across it as it may."""
    x = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(axis, x), axis])


def _normalised(q: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    bad = ~(np.isfinite(length) & (length > SHORTEST))
    return np.where(bad, np.nan, np.where(bad, 1.0, q) / np.where(bad, 1.0, length))


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton's."""
    (aw, ax, ay, az), (bw, bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def _times(R: np.ndarray, v: np.ndarray) -> np.ndarray:
    # no matrix product: its last bits depend on how many rows there are
    return (R * v[..., None, :]).sum(axis=-1)
