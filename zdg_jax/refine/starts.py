"""Where refinement starts: G' of every hypothesis, and noise around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands.kinematics import base_from_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.hypotheses import REASONED, Hypothesis, hypotheses

#: Poses and joints of starts, object frame.
Starts = tuple[Float[np.ndarray, "k 7"], Float[np.ndarray, "k active"]]
#: Where fingers are aimed, noise is so much of what it is elsewhere: it would miss a hole of two centimetres.
AIMED_NOISE = 0.35


@dataclass(frozen=True, eq=False)
class Task:
    """One reasoned grasp to refine.

    Attributes:
      obj: the object that `grasp` was reasoned on.
      grasp: guidance and initial grasp.
      num: starts around G'.
      seed: of the jitter.
      starts: (pose [k, 7], joints [k, active]) instead, object frame; `num` and `seed` are not looked at.
      untyped: no grasp type was reasoned: the contact prior is the mean of all types'.
    """

    obj: ObjectModel
    grasp: ReasonedGrasp
    num: int = 64
    seed: int = 0
    starts: Starts | None = None
    untyped: bool = False


@dataclass(frozen=True, eq=False)
class Begun:
    """The starts of a task, each with its hypothesis and where that puts the hand.

    Attributes:
      pose, joints: object frame, metres and radians.
      p_obj_palm, R_obj_palm: of the hypothesis' G'; NaN where there is none.
      hypothesis, grasp_type: by name.
    """

    pose: Float[np.ndarray, "k 7"]
    joints: Float[np.ndarray, "k active"]
    p_obj_palm: Float[np.ndarray, "k 3"]
    R_obj_palm: Float[np.ndarray, "k 3 3"]
    hypothesis: Shaped[np.ndarray, " k"]
    grasp_type: Shaped[np.ndarray, " k"]


def begin(hand: HandModel, tasks: Sequence[Task], config: RefineConfig) -> list[Begun]:
    """The starts of every task: R = R' exp(turn), T = T' + R' shift of each, and its joints.

    Args:
      hand: gives theta' of the grasp types.
      tasks: with `starts` of their own, or with a reasoned grasp; one without begins at NaN.
      config: hypotheses, noise, ablation.

    Raises:
      ValueError: fewer than one start, or starts whose shapes do not fit.
    """
    known: dict[tuple[int, int, int], list[Hypothesis]] = {}  # of tasks that differ by their seed alone
    drawn = [_drawn(hand, task, config, known) for task in tasks]
    noisy = [d for d in drawn if isinstance(d, _Drawn)]
    poses = iter(())
    if noisy:
        whole = _Drawn(
            *(np.concatenate([getattr(d, name) for d in noisy]) for name in _Drawn.__annotations__)
        )
        cuts = np.cumsum([len(d.joints) for d in noisy])[:-1]
        poses = iter(np.split(_placed(hand, whole), cuts))
    return [
        Begun(next(poses), d.joints, d.p, d.R, d.hypothesis, d.grasp_type) if isinstance(d, _Drawn) else d
        for d in drawn
    ]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Noise of each start in the palm's own frame, metres and radians, and what it is about."""

    shift: Float[np.ndarray, "k 3"]
    turn: Float[np.ndarray, "k 3"]
    joints: Float[np.ndarray, "k active"]
    p: Float[np.ndarray, "k 3"]
    R: Float[np.ndarray, "k 3 3"]
    hypothesis: Shaped[np.ndarray, " k"]
    grasp_type: Shaped[np.ndarray, " k"]


def _joined(parts: Sequence[_Drawn]) -> _Drawn:
    return _Drawn(*(np.concatenate([getattr(d, f.name) for d in parts]) for f in fields(_Drawn)))


def _drawn(
    hand: HandModel, task: Task, config: RefineConfig, known: dict[tuple[int, int, int], list[Hypothesis]]
) -> _Drawn | Begun:
    active, initial = len(hand.active_names), task.grasp.initial
    if task.starts is not None:
        pose, joints = (np.asarray(x, dtype=np.float64) for x in task.starts)
        if len(pose) < 1 or pose.shape != (len(pose), 7) or joints.shape != (len(pose), active):
            raise ValueError(
                f"got starts {pose.shape} and {joints.shape}; expected [k, 7] and [k, {active}], k >= 1"
            )
        return _as_given(hand, (pose, joints), initial)
    if task.num < 1:
        raise ValueError(f"got num {task.num}; expected at least 1")
    if config.ablation == "initial" and task.grasp.guidance is not None:
        return _as_given(hand, random_at(hand, task.obj, task.grasp.guidance, task.num, task.seed), initial)
    if initial is None:
        nothing = np.full((task.num, 7), np.nan), np.full((task.num, active), np.nan)
        return _as_given(hand, nothing, None)
    key = id(task.obj), id(task.grasp), task.num
    if key not in known:
        known[key] = hypotheses(hand, task.obj, task.grasp, config.hypotheses, task.num)
    each = [_noise(hand, h, task.seed + place, config) for place, h in enumerate(known[key])]
    return _joined(each)


def _as_given(hand: HandModel, starts: Starts, initial: InitialGrasp | None) -> Begun:
    n = len(starts[0])
    p, R = np.full((n, 3), np.nan), np.full((n, 3, 3), np.nan)
    if initial is not None:
        p[:], R[:] = initial.p_obj_palm, initial.R_obj_palm
    kind = initial.grasp_type if initial is not None else next(iter(hand.grasp_types))
    return Begun(*starts, p, R, np.full(n, REASONED.name, object), np.full(n, kind, object))


def jittered(
    hand: HandModel,
    initial: InitialGrasp,
    num: int,
    seed: int,
    config: RefineConfig,
    joints: Float[np.ndarray, " active"] | None = None,
) -> Starts:
    """`num` starts: the first is G', the others G' moved by Gaussian noise in the palm's own frame.

    Args:
      hand: gives theta' of the grasp type.
      initial: G'.
      num, seed: how many, and of the noise.
      config: how much noise.
      joints: in place of theta', radians; with `AIMED_NOISE` of the noise.
    """
    drawn = _noise(hand, Hypothesis(REASONED.name, initial, num, joints), seed, config)
    return _placed(hand, drawn), drawn.joints


def _noise(hand: HandModel, h: Hypothesis, seed: int, config: RefineConfig) -> _Drawn:
    rng, num, initial = np.random.default_rng(seed), h.num, h.initial
    on = np.full((num, 1), 1.0 if h.joints is None else AIMED_NOISE)
    on[0] = 0.0
    shift = on * rng.normal(size=(num, 3)) * config.jitter_position
    turn = on * rng.normal(size=(num, 3)) * config.jitter_angle
    theta = hand.grasp_types[initial.grasp_type].joints if h.joints is None else h.joints
    opening = 1.0 - on * rng.uniform(size=(num, 1)) * config.jitter_opening * _fingers(hand)
    moved = theta * opening + on * rng.normal(size=(num, len(theta))) * config.jitter_joints
    moved = np.where(_idle(hand, initial.grasp_type), theta, moved)
    p, R = np.empty((num, 3)), np.empty((num, 3, 3))
    p[:], R[:] = initial.p_obj_palm, initial.R_obj_palm
    return _Drawn(
        shift, turn, np.minimum(np.maximum(moved, hand.lower), hand.upper), p, R,
        np.full(num, h.name, object), np.full(num, initial.grasp_type, object),
    )  # fmt: skip


def _placed(hand: HandModel, d: _Drawn) -> Float[np.ndarray, "k 7"]:
    # no matrix product for the shift: its last bits depend on how many rows there are
    p = d.p + (d.R * d.shift[:, None]).sum(axis=2)
    return base_from_palm(hand, p, d.R @ Rotation.from_rotvec(d.turn).as_matrix())


def random_at(hand: HandModel, obj: ObjectModel, guidance: ContactGuidance, num: int, seed: int) -> Starts:
    """W/O Initial (paper Table II): T = C, the centre of M_hand^3d, R uniform over SO(3), open joints.

    Args:
      hand: whose palm is put there.
      obj, guidance: give C; object frame, metres.
      num, seed: how many, and of the rotations.
    """
    center = obj.samples.points[guidance.hand_mask].mean(axis=0)
    q = np.random.default_rng(seed).normal(size=(num, 4))  # uniform on the sphere, once normalised
    R = Rotation.from_quat(q).as_matrix()
    return base_from_palm(hand, np.tile(center, (num, 1)), R), np.tile(hand.open_joints, (num, 1))


def random_around(hand: HandModel, obj: ObjectModel, num: int, seed: int) -> Starts:
    """Random approach, ours: palms over the bounding sphere, facing its centre, open joints."""
    rng = np.random.default_rng(seed)
    center = obj.mesh.bounds.mean(axis=0)
    reach = np.linalg.norm(obj.mesh.vertices - center, axis=1).max()
    z = rng.normal(size=(num, 3))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    x = np.cross(z, rng.normal(size=(num, 3)))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    R = np.stack([x, np.cross(z, x), z], axis=2)
    return base_from_palm(hand, center - z * reach, R), np.tile(hand.open_joints, (num, 1))


@lru_cache(maxsize=64)
def _idle(hand: HandModel, grasp_type: str) -> Bool[np.ndarray, " active"]:
    """Active joints that move only fingers which the type's contact prior leaves out.

    They start as the type curls them, without noise: hardly a term moves them afterwards, and what was noise
    would be seen as fanned fingers.
    """
    touching = np.unique(hand.skin_link[hand.grasp_types[grasp_type].contact_prior > 0])
    fingers = np.unique(hand.link_finger)
    return _moving(hand, fingers) & ~_moving(hand, np.unique(hand.link_finger[touching]))


@lru_cache(maxsize=16)
def _fingers(hand: HandModel) -> Float[np.ndarray, " active"]:
    """1 for active joints of fingers, 0 for those of the thumb: its opposition has to stay."""
    return (~_moving(hand, np.array([hand.thumb]))).astype(float)


def _moving(hand: HandModel, fingers: Int[np.ndarray, " fingers"]) -> Bool[np.ndarray, " active"]:
    """Active joints that move a joint of one of these fingers."""
    return hand.driving(np.isin(hand.link_finger[hand.joint_link], fingers))
