"""DexGraspBench's test [BODex]: squeeze the object, then push it along six directions in turn.

Source: Chen et al., "BODex: Scalable and Efficient Robotic Dexterous Grasp Synthesis Using Bilevel
Optimization", ICRA 2025, and its benchmark's main branch: object 0.1 kg, friction (0.6, 0.02), elliptic cone,
impratio 10, condim 4, 4 ms, no gravity, kp 5 (Shadow); pregrasp to grasp and grasp to squeeze in 10 stairs of
10 steps each; 10 m/s² x mass along each axis for 500 steps; within 5 cm and 15 degrees of where the object
was before the hand closed. Contacts of the hand take solref (0.005, 1) and solimp (0.5, 0.99, 0.0001).

Ours: looked at every 25 steps, not 50; the hand's base is the mocap body itself instead of welded to one;
the six pushes begin from one closed state instead of closing six times (the same, it is deterministic);
hand links do not touch each other; no noslip iterations (MJX has none); Euler with implicit damping, which
for these joints is implicitfast.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from sim_eval.backends import Backend
from sim_eval.backends.jobs import Hold
from sim_eval.protocols.hold import HoldResult, hold_protocol, poses_of, run_hold, waypoints_of
from sim_eval.scene import SceneParams
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import rotation_to_wxyz, wxyz_to_rotation

TIMESTEP = 0.004
MASS = 0.1
FRICTION = (0.6, 0.02, 0.0001)
PUSH = 10.0 * MASS  # newtons
RAMP = (10, 10)
CHECKS, CHECK_STEPS = 20, 25
MAX_MOVE, MAX_TURN = 0.05, np.deg2rad(15.0)
MAX_START_DEPTH = 0.01  # metres
PARAMS = SceneParams(
    timestep=TIMESTEP,
    gravity=(0.0, 0.0, 0.0),
    friction=FRICTION,
    condim=4,
    solref_hand=(0.005, 1.0),
    solimp_hand=(0.5, 0.99, 0.0001),
)
FORCES = PUSH * np.array([[-1.0, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]])


def run(
    hand: HandModel,
    objects: tuple[SimObject, ...],
    index: Int[np.ndarray, " n"],
    hand_pose: Float[np.ndarray, "n 7"],
    pregrasp: Float[np.ndarray, "n active"],
    joints: Float[np.ndarray, "n active"],
    squeeze: Float[np.ndarray, "n active"],
    simulator: Backend,
    pregrasp_pose: Float[np.ndarray, "n 7"] | None = None,
    *,
    mass: float = MASS,
    friction: float = FRICTION[0],
    until_decided: bool = False,
) -> HoldResult:
    """The six-force test of N grasps of any objects.

    Args:
      hand: any hand.
      objects: cut as the backend wants them.
      index: which object each grasp is of.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame.
      pregrasp, joints, squeeze: active joint angles, radians.
      simulator: see `sim_eval.backends`.
      pregrasp_pose: of link 0 where the hand comes from; None, or NaN in a row, if it closes on the spot.
      mass, friction: of the object, kg, and sliding; the push is 10 m/s² times the mass.
      until_decided: see `Hold`; displacements are then those when it was decided.

    Returns:
      The result; success = all six within 5 cm and 15 degrees, and at most 1 cm of overlap at the pregrasp.
    """
    poses, waypoints = poses_of(pregrasp_pose, hand_pose), waypoints_of(pregrasp, joints, squeeze)
    params = replace(PARAMS, friction=(friction, *FRICTION[1:]))
    job = Hold(
        hand, objects, index, poses, waypoints, mass, params, RAMP,
        FORCES * (mass / MASS), CHECKS, CHECK_STEPS, MAX_MOVE, float(MAX_TURN), until_decided,
    )  # fmt: skip
    return run_hold(job, simulator, MAX_START_DEPTH, touch_end=False)


PROTOCOL = hold_protocol("six_force", run)


# How surely a grasp holds: the share of six-force tests that it survives with everything a little off.
#
# A trial moves the hand against the object by up to 2 mm and turns it by up to 3 degrees, both drawn for each
# grasp, and takes friction from 0.4 to 0.8 and the mass from 0.7 to 1.3 of the usual. The numbers are ours.
TRIALS = 5
SHIFT, TURN = 0.002, np.deg2rad(3.0)
#: Friction and mass of the trials, the same in every run: their ends and what lies between, not in step.
FRICTIONS = np.linspace(0.4, 0.8, TRIALS)
MASSES = MASS * np.array([1.15, 0.7, 1.3, 0.85, 1.0])


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

    def tried(trial: int) -> HoldResult:
        shift, turn = _drawn(len(index), seed, trial)
        return run(
            hand, objects, index, _moved(hand_pose, hand_pose, shift, turn), pregrasp, joints, squeeze,
            simulator, _moved(start, hand_pose, shift, turn), mass=float(MASSES[trial]),
            friction=float(FRICTIONS[trial]), until_decided=True,
        )  # fmt: skip

    survived, judged = np.zeros(len(index)), np.ones(len(index), bool)
    with ThreadPoolExecutor(2) as pool:  # while the last rows of one run, the next begins
        for result in pool.map(tried, range(TRIALS)):
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
