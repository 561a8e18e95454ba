"""G = (T, R, theta) as the optimiser sees it, in the frame of the distance field, and the hand it poses."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from zdg_jax.hands.kinematics import Chain, chain
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import matrix_to_wxyz
from zdg_jax.transform import Transform

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
