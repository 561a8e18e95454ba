"""Grasps of small shapes, with distance fields."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from sim_eval.select.squeeze import sphere_gaps
from tests.sim_eval.simulation import human16, shape, wrapped
from zdg_jax.grasps import Grasps
from zdg_jax.hands import HandModel, load_hand
from zdg_jax.hands.kinematics import moves_link, posed_spheres
from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf.build import build_signed_distance_field

#: Metres.
NEAR = 1e-4


@cache
def field(name: str) -> SignedDistanceField:
    import trimesh

    from tests.sim_eval.helpers import box, sphere

    mesh = {
        "ball": lambda: sphere(0.03, level=4),
        "rod": lambda: trimesh.creation.cylinder(radius=0.018, height=0.2, sections=48),
        "block": lambda: box((0.4, 0.4, 0.4)),
    }[name]()
    return build_signed_distance_field(mesh)


def around(name: str, count: int, hand_name: str = "human16") -> tuple[HandModel, np.ndarray, np.ndarray]:
    """Power grasps of a shape, a little of everything: (hand, poses, joints)."""
    hand = human16() if hand_name == "human16" else load_hand(hand_name)
    pose, joints = wrapped(hand, (name,) * count)
    rng = np.random.default_rng(0)
    pose[:, :3] += 0.003 * rng.normal(size=(count, 3))
    joints = np.clip(joints + 0.1 * rng.normal(size=joints.shape), hand.lower, hand.upper)
    return hand, pose, joints


def held(name: str, count: int, hand_name: str = "human16") -> tuple[HandModel, np.ndarray, np.ndarray]:
    """The same, the palm and every finger `NEAR` from the surface: (hand, poses, joints)."""
    hand = human16() if hand_name == "human16" else load_hand(hand_name)
    pose, joints = wrapped(hand, (name,) * count)
    pose[:, 2] += 0.0003 * np.arange(count)
    finger = hand.link_finger[hand.sphere_link]
    start = hand.open_joints
    gap = sphere_gaps(hand, field(name), posed_spheres(hand, pose, np.tile(start, (count, 1))))
    pose[:, 1] -= gap.min(axis=1) - NEAR
    mine = {
        f: [k for k, n in enumerate(hand.active_names) if _moves(hand, k, f)] for f in range(finger.max() + 1)
    }
    for row in range(count):
        q = start.copy()
        for f, cols in mine.items():
            for t in np.linspace(0.0, 1.6, 65):
                trial = q.copy()
                trial[cols] = (start + t * (joints[row] - start))[cols]
                trial = np.clip(trial, hand.lower, hand.upper)
                at = posed_spheres(hand, pose[row : row + 1], trial[None])
                if sphere_gaps(hand, field(name), at)[0, finger == f].min() < NEAR:
                    break
                q = trial
        joints[row] = q
    return hand, pose, joints


def _moves(hand: HandModel, active: int, finger: int) -> bool:
    links = moves_link(hand)[hand.coupling[:, active] != 0].any(axis=0)
    return bool((hand.link_finger[links] == finger).all())


__all__ = ["around", "field", "held", "shape"]


def refined_batch(
    pose: np.ndarray, joints: np.ndarray, score: Sequence[float], status: Sequence[str]
) -> Grasps:
    """Grasps as refinement leaves them."""
    n = len(pose)
    names = [f"joint_{k}" for k in range(joints.shape[1])]
    return Grasps.of(
        "human16", names, pose, joints, status=status,
        columns={
            "start": np.arange(n), "score": np.array(score), "energy_total": np.zeros(n), "init_pose": pose,
            "init_joints": joints,
        },
    )  # fmt: skip


def closed_batch(count: int, **changed: np.ndarray) -> Grasps:
    """Grasps that were closed on and hold, turned about y by 20 degrees each."""
    half = np.deg2rad(10.0) * np.arange(count)
    pose = np.stack([0 * half, 0 * half, 0 * half, np.cos(half), 0 * half, np.sin(half), 0 * half], axis=1)
    ones, zeros = np.ones(count), np.zeros(count)
    known = {
        "six_force_suc": ones, "six_force_held": 6 * ones, "approach_free": ones, "thumb_contact": ones,
        "self_pen_cm": zeros, "posture_deg": zeros, "p_dep_cm": zeros, "force_closure": ones,
        "off_region": zeros, "grasp_type": np.array(["lift"] * count, object),
    }  # fmt: skip
    made = refined_batch(pose, np.zeros((count, 16)), list(zeros), ["ok"] * count)
    return made.with_columns({**known, **changed})
