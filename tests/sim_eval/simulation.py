"""Small shapes and hands for tests of simulation."""

from __future__ import annotations

from functools import cache

import numpy as np
import trimesh

from sim_eval.simobject import MJX_TEMPLATE, SimObject, sim_object
from tests.sim_eval.helpers import box, sphere
from zdg_jax.hands import HandModel, load_hand
from zdg_jax.hands.kinematics import base_from_palm
from zdg_jax.hands.model import pregrasp_and_squeeze


@cache
def shape(name: str) -> SimObject:
    """ball, box, rod or plate, cut as MJX wants it."""
    mesh = {
        "ball": lambda: sphere(0.03, level=3),
        "box": lambda: box((0.05, 0.04, 0.12)),
        "rod": lambda: trimesh.creation.cylinder(radius=0.018, height=0.2, sections=24),
        "plate": lambda: box((0.13, 0.006, 0.15), (0.01, 0.02, 0.0)),
    }[name]()
    return sim_object(mesh, MJX_TEMPLATE)


SHAPES = ("ball", "box", "rod", "plate")


def wrapped(hand: HandModel, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A power grasp from above on each shape: (hand_pose [n, 7], joints [n, active])."""
    down = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # x: fingers, z: palm faces -y
    kind = hand.grasp_types["handle-grasp"]
    poses = []
    for name in names:
        top = max(p[:, 1].max() for p in shape(name).pieces)
        poses.append(base_from_palm(hand, np.array([-0.02, top + 0.004, 0.0]), down))
    return np.array(poses), np.tile(kind.joints, (len(names), 1))


def closing(hand: HandModel, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return pregrasp_and_squeeze(hand, joints)


@cache
def human16() -> HandModel:
    return load_hand("human16")
