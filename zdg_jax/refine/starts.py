"""K jittered starts around G' (DESIGN §6)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp
from zdg_jax.hands.kinematics import base_from_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import RefineConfig

Starts = tuple[Float[np.ndarray, "k 7"], Float[np.ndarray, "k active"]]


def jittered(hand: HandModel, initial: InitialGrasp, num: int, seed: int, config: RefineConfig) -> Starts:
    """`num` starts: the first is G', the others G' moved by Gaussian noise in the palm's own frame."""
    rng = np.random.default_rng(seed)
    on = np.r_[0.0, np.ones(num - 1)][:, None]
    R = np.asarray(initial.R_obj_palm)
    shift = on * rng.normal(size=(num, 3)) * config.jitter_position
    turn = on * rng.normal(size=(num, 3)) * config.jitter_angle
    p = initial.p_obj_palm + shift @ R.T
    R_all = R @ Rotation.from_rotvec(turn).as_matrix()
    theta = hand.grasp_types[initial.grasp_type].joints
    opening = 1.0 - on * rng.uniform(size=(num, 1)) * config.jitter_opening * _fingers(hand)
    joints = theta * opening + on * rng.normal(size=(num, len(theta))) * config.jitter_joints
    return base_from_palm(hand, p, R_all), np.clip(joints, hand.lower, hand.upper)


def random_around(hand: HandModel, obj: ObjectModel, num: int, seed: int) -> Starts:
    """W/O Initial (paper Table II): random palms over the bounding sphere, facing its centre, zero joints."""
    rng = np.random.default_rng(seed)
    center = obj.mesh.bounds.mean(axis=0)
    reach = np.linalg.norm(obj.mesh.vertices - center, axis=1).max()
    z = rng.normal(size=(num, 3))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    x = np.cross(z, rng.normal(size=(num, 3)))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    R = np.stack([x, np.cross(z, x), z], axis=2)
    return base_from_palm(hand, center - z * reach, R), np.tile(hand.open_joints, (num, 1))


def _fingers(hand: HandModel) -> Float[np.ndarray, " active"]:
    """1 for active joints of fingers, 0 for those of the thumb: its opposition has to stay."""
    moves_thumb = (np.abs(hand.coupling) > 0) & (hand.link_finger[hand.joint_link] == hand.thumb)[:, None]
    return (~moves_thumb.any(axis=0)).astype(float)
