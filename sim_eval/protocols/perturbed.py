"""How surely a grasp holds: the share of six-force tests that it survives with everything a little off.

A trial moves the hand against the object by up to 2 mm and turns it by up to 3 degrees, both drawn for each
grasp, and takes friction from 0.4 to 0.8 and the mass from 0.7 to 1.3 of the usual. The numbers are ours.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from sim_eval.backends import Backend
from sim_eval.protocols import six_force
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import rotation_to_wxyz, wxyz_to_rotation

TRIALS = 5
SHIFT, TURN = 0.002, np.deg2rad(3.0)
#: Friction and mass of the trials, the same in every run: their ends and what lies between, not in step.
FRICTIONS = np.linspace(0.4, 0.8, TRIALS)
MASSES = six_force.MASS * np.array([1.15, 0.7, 1.3, 0.85, 1.0])


def hold_share(
    hand: HandModel,
    objects: tuple[SimObject, ...],
    index: Int[np.ndarray, " n"],
    hand_pose: Float[np.ndarray, "n 7"],
    pregrasp: Float[np.ndarray, "n active"],
    joints: Float[np.ndarray, "n active"],
    squeeze: Float[np.ndarray, "n active"],
    simulator: Backend,
    pregrasp_pose: Float[np.ndarray, "n 7"] | None = None,
    seed: int = 0,
) -> Float[np.ndarray, " n"]:
    """Share of `TRIALS` perturbed six-force tests that each grasp survives; NaN where it can't be simulated.

    Args:
      hand, objects, index, hand_pose, pregrasp, joints, squeeze, simulator, pregrasp_pose: as for
        `six_force.run`.
      seed: of the perturbations; those of a row do not depend on the others.
    """
    start = (
        hand_pose if pregrasp_pose is None else np.where(np.isfinite(pregrasp_pose), pregrasp_pose, hand_pose)
    )
    survived, judged = np.zeros(len(index)), np.ones(len(index), bool)
    for trial in range(TRIALS):
        shift, turn = _drawn(len(index), seed, trial)
        result = six_force.run(
            hand, objects, index, _moved(hand_pose, hand_pose, shift, turn), pregrasp, joints, squeeze,
            simulator, _moved(start, hand_pose, shift, turn), mass=float(MASSES[trial]),
            friction=float(FRICTIONS[trial]), until_decided=True,
        )  # fmt: skip
        survived += result.success
        judged &= np.array([s == "ok" for s in result.status], bool)
    return np.where(judged, survived / TRIALS, np.nan)


def _drawn(n: int, seed: int, trial: int) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Shifts (metres) and turns (rotation vectors), even within their balls."""
    drawn = np.stack([np.random.default_rng([seed, trial, row]).normal(size=8) for row in range(n)])
    each = []
    for part, most in ((drawn[:, :4], SHIFT), (drawn[:, 4:], TURN)):
        way = part[:, :3] / np.linalg.norm(part[:, :3], axis=1, keepdims=True)
        far = most * np.abs(np.tanh(part[:, 3:])) ** (1 / 3)
        each.append(way * far)
    return each[0], each[1]


def _moved(
    pose: Float[np.ndarray, "n 7"],
    about: Float[np.ndarray, "n 7"],
    shift: Float[np.ndarray, "n 3"],
    turn: Float[np.ndarray, "n 3"],
) -> Float[np.ndarray, "n 7"]:
    """Poses shifted, and turned about the place of `about`."""
    fine = np.isfinite(pose).all(axis=1)
    out = pose.copy()
    by = Rotation.from_rotvec(turn[fine])
    out[fine, :3] = about[fine, :3] + by.apply(pose[fine, :3] - about[fine, :3]) + shift[fine]
    out[fine, 3:] = rotation_to_wxyz(by * wxyz_to_rotation(pose[fine, 3:]))
    return out
