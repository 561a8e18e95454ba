"""Contact-guided grasp refinement (paper III-E): the package's front door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby, pairwise

import jax
import numpy as np
from jaxtyping import Float, Shaped
from scipy.spatial.transform import Rotation

from zdg_jax.grasps import Grasps, concat
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.batching import Device, fits
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.driver import OnBatch, OptimizerResult, run
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.problem import Problem, build_problem
from zdg_jax.refine.starts import Begun, Starts, Task, begin
from zdg_jax.refine.variables import to_field, to_object


# How far a refined grasp has left the reasoned one.
def pose_deviation(
    hand: HandModel,
    p_obj_palm: Float[np.ndarray, "k 3"],
    R_obj_palm: Float[np.ndarray, "k 3 3"],
    hand_pose: Float[np.ndarray, "k 7"],
) -> Float[np.ndarray, " k"]:
    """max(0, s - 3 cm) / 5 cm + max(0, a - pi/4) / 0.5 rad, s the palm's shift across D_palm, a its turn.

    Along D_palm the hand has to close in; and an answer stands for its whole neighbourhood: rotations are
    asked 90 degrees apart, parts are some centimetres wide. Within that the geometry decides alone.

    Args:
      hand: gives the palm frame.
      p_obj_palm, R_obj_palm: of G', metres; NaN where there is none.
      hand_pose: refined poses, object frame.

    Returns:
      NaN where there is no G' or no finite pose.
    """
    known = np.isfinite(R_obj_palm).all(axis=(1, 2)) & np.isfinite(p_obj_palm).all(axis=1)
    finite = known & np.isfinite(hand_pose).all(axis=1) & (hand_pose[:, 3:] != 0.0).any(axis=1)
    deviation = np.full(len(hand_pose), np.nan)
    pose, p, R = hand_pose[finite], p_obj_palm[finite], R_obj_palm[finite]
    if not len(pose):
        return deviation
    turn = Rotation.from_quat(pose[:, 3:], scalar_first=True)
    shift = pose[:, :3] + turn.apply(hand.p_base_palm) - p
    d_palm = R[:, :, 2]
    along = (shift * d_palm).sum(axis=1, keepdims=True)
    across = np.linalg.norm(shift - along * d_palm, axis=1)
    angle = (turn * Rotation.from_matrix(hand.R_base_palm @ R.transpose(0, 2, 1))).magnitude()
    beyond = np.maximum(across - 0.03, 0.0) / 0.05 + np.maximum(angle - np.pi / 4, 0.0) / 0.5
    deviation[finite] = beyond
    return deviation


#: Of a row that its task's problem says nothing of; `Status` has what each means.
_REASONS = {
    "nan_start": "got a start that is not finite; expected finite numbers in pose and joints",
    "refine_nan": "refinement became non-finite; expected finite pose, joints and energies",
    "outside_field": "no skin vertex ended inside the object's field; expected the hand to reach the object",
    "stopped": "ended early: not among the share of its task's starts that went on",
}


def refine(
    hand: HandModel,
    obj: ObjectModel,
    grasp: ReasonedGrasp,
    *,
    num: int = 64,
    seed: int = 0,
    config: RefineConfig | None = None,
) -> Grasps:
    """Minimise E of eq. 8 from `num` starts around G': `refine_many` of one task.

    Args:
      hand: the hand; one compilation each.
      obj: the object that `grasp` was reasoned on.
      grasp: guidance and initial grasp.
      num: starts.
      seed: of the jitter.
      config: weights, schedule, ablation.

    Returns:
      All `num` grasps, in the order of their starts, with the columns start, init_pose, init_joints,
      energy.TERM and energy_total (and init_ of both), hypothesis, grasp_type, pose_deviation (how far the
      palm left where its hypothesis put it) and score = E + drift_weight pose_deviation. What went wrong is
      in their statuses; a row that was not refined holds NaN.

    Raises:
      ValueError: num < 1.
    """
    return refine_many(hand, [Task(obj, grasp, num, seed)], config=config)[0]


def refine_many(
    hand: HandModel,
    tasks: Sequence[Task],
    *,
    config: RefineConfig | None = None,
    devices: Sequence[Device] | None = None,
    on_batch: OnBatch | None = None,
) -> list[Grasps]:
    """Minimise E of eq. 8 for many tasks on many objects at once; nothing is shared between rows.

    Args:
      hand: the hand; one compilation each.
      tasks: what to refine.
      config: weights, schedule, ablation; of all tasks.
      devices: all local ones by default.
      on_batch: called now and then with (starts that have ended, all starts).

    Returns:
      For each task all its grasps, in the order of their starts. Whatever is wrong with one task or one
      start is a status of its rows and leaves the others bit-identical.

    Raises:
      ValueError: fewer than one start, or starts whose shapes do not fit.
      UserError: the kernel was asked for where there is no CUDA device.
    """
    if not tasks:
        return []
    config = config or RefineConfig()
    used = list(jax.local_devices() if devices is None else devices)
    shares = [_shares(task, config) for task in tasks]
    found = iter(_refined(hand, [part for share in shares for part in share], config, used, on_batch))
    return [_one([next(found) for _ in share]) for share in shares]


#: Of the starts of a task with key points so many go on as if it had none: where two pads at their points
#: leave nothing for the rest of the hand, only those hold.
_WITHOUT_POINTS = 1 / 3


def _shares(task: Task, config: RefineConfig) -> list[Task]:
    """The task, or with key points and several hypotheses its part that has them and one that has none."""
    guidance = task.grasp.guidance
    rest = int(task.num * _WITHOUT_POINTS)
    given = task.starts is not None or config.ablation == "initial"
    if guidance is None or guidance.p_obj_points is None or given or config.hypotheses == 1 or not rest:
        return [task]
    without = replace(task.grasp, guidance=replace(guidance, p_obj_points=None))
    return [replace(task, num=task.num - rest), replace(task, num=rest, grasp=without)]


def _one(parts: Sequence[Grasps]) -> Grasps:
    """The grasps of one task, of which each start has its number."""
    if len(parts) == 1:
        return parts[0]
    both = concat(parts)
    both = replace(both, tasks=parts[0].tasks, task_index=np.zeros_like(both.task_index))
    return both.with_columns({"start": np.arange(len(both))})


def _refined(
    hand: HandModel,
    tasks: Sequence[Task],
    config: RefineConfig,
    used: Sequence[Device],
    on_batch: OnBatch | None,
) -> list[Grasps]:
    problems = [_problem(hand, task, config) for task in tasks]
    begun = begin(hand, tasks, config)
    good = [p for p in problems if p.status == "ok"]
    if not good:
        return _assembled(hand, problems, begun, None, config)
    # a task that can't be refined keeps its place, so that its neighbours keep theirs
    run_problems = [p if p.status == "ok" else good[0] for p in problems]
    pose, joints = (np.concatenate([getattr(b, name) for b in begun]) for name in ("pose", "joints"))
    pose, joints = _finite(hand, _turned(to_field, problems, begun, pose), joints)
    cuts = np.cumsum([len(b.pose) for b in begun])[:-1]
    run_starts = list(zip(np.split(pose, cuts), np.split(joints, cuts), strict=True))
    kinds = list(hand.grasp_types)
    kind = [np.array([kinds.index(name) for name in b.grasp_type]) for b in begun]
    ended = run(hand, run_problems, run_starts, kind, config, used, on_batch)
    return _assembled(hand, problems, begun, ended, config)


def _turned(
    turn: Callable[[np.ndarray, np.ndarray], np.ndarray],
    problems: Sequence[Problem],
    begun: Sequence[Begun],
    pose: Float[np.ndarray, "k 7"],
) -> Float[np.ndarray, "k 7"]:
    """`to_field` or `to_object` of all rows, those of neighbouring tasks on one object at once."""
    parts, first = [], 0
    pairs = zip(problems, begun, strict=True)
    for _, same in groupby(pairs, key=lambda pair: id(pair[0].field)):
        one, *more = same
        last = first + sum(len(b.pose) for _, b in (one, *more))
        parts.append(turn(one[0].field.R_field_obj, pose[first:last]))
        first = last
    return np.concatenate(parts)


def _problem(hand: HandModel, task: Task, config: RefineConfig) -> Problem:
    problem = build_problem(hand, task.obj, task.grasp, config)
    if task.untyped or config.ablation == "initial":
        mean = problem.prior.mean(axis=0)
        problem = replace(problem, prior=np.tile(mean, (len(problem.prior), 1)))
    if problem.status == "ok" and not fits([problem], 1):
        return replace(
            problem,
            status="field_size",
            reason="got a field with too many cells; expected fewer fine details",
        )
    return problem


def _finite(hand: HandModel, pose: np.ndarray, joints: np.ndarray) -> Starts:
    """Stand-ins for starts that are not finite."""
    bad = ~_all_finite(pose, joints)[:, None]
    return np.where(bad, [0, 0, 0, 1.0, 0, 0, 0], pose), np.where(bad, hand.open_joints, joints)


def _assembled(
    hand: HandModel,
    problems: Sequence[Problem],
    begun: Sequence[Begun],
    ended: OptimizerResult | None,
    config: RefineConfig,
) -> list[Grasps]:
    """Those of each task; the columns are made of all rows at once, and tasks are views of them."""
    counts = [len(b.pose) for b in begun]
    every = Begun(*(np.concatenate([getattr(b, f.name) for b in begun]) for f in fields(Begun)))
    found = _ended(problems, begun, every, ended, config)
    deviation = pose_deviation(hand, every.p_obj_palm, every.R_obj_palm, found.pose)
    reason = np.full(len(found.status), "", object)
    of_row = np.repeat(np.arange(len(counts)), counts)
    for row in np.flatnonzero(found.status != "ok"):
        reason[row] = problems[of_row[row]].reason or _REASONS.get(found.status[row], "")
    # no matrix product: its last bits depend on how many rows there are
    weights = config.lambdas()
    total, init_total = ((terms * weights).sum(axis=1) for terms in (found.terms, found.start_terms))
    whole = Grasps.of(
        hand.name, hand.active_names, found.pose, found.joints, status=found.status, status_reason=reason,
        columns={
            "start": np.concatenate([np.arange(n) for n in counts]),
            "init_pose": every.pose, "init_joints": every.joints,
            "hypothesis": every.hypothesis, "grasp_type": every.grasp_type,
            "energy_total": total, "init_energy_total": init_total, "pose_deviation": deviation,
            # G' carries the task's meaning: of two grasps of like energy the one nearer to it is kept
            "score": total + config.drift_weight * deviation,
            **{f"energy.{t}": found.terms[:, i] for i, t in enumerate(TERMS)},
            **{f"init_energy.{t}": found.start_terms[:, i] for i, t in enumerate(TERMS)},
        },
    )  # fmt: skip
    return [whole.take(slice(a, b)) for a, b in pairwise(np.cumsum([0, *counts]).tolist())]


@dataclass(frozen=True, eq=False)
class _Ended:
    """All rows, object frame; NaN where there is nothing."""

    pose: Float[np.ndarray, "k 7"]
    joints: Float[np.ndarray, "k active"]
    terms: Float[np.ndarray, "k terms"]
    start_terms: Float[np.ndarray, "k terms"]
    status: Shaped[np.ndarray, " k"]


def _ended(
    problems: Sequence[Problem],
    begun: Sequence[Begun],
    every: Begun,
    ended: OptimizerResult | None,
    config: RefineConfig,
) -> _Ended:
    n = len(every.pose)
    status = np.repeat(np.array([p.status for p in problems], object), [len(b.pose) for b in begun])
    if ended is None:
        terms = np.full((n, len(TERMS)), np.nan)
        return _Ended(
            np.full_like(every.pose, np.nan), np.full_like(every.joints, np.nan), terms, terms, status
        )
    refined = status == "ok"
    ran = _all_finite(every.pose, every.joints)
    pose, joints, end, start = (
        np.where((refined & ran)[:, None], x, np.nan)
        for x in (
            _turned(to_object, problems, begun, ended.pose),
            ended.joints.astype(np.float64), ended.terms, ended.start_terms,
        )
    )  # fmt: skip
    if config.ablation != "refine":  # starts may be anywhere
        status[refined & ~ended.reaches] = "outside_field"
    status[refined & ended.stopped] = "stopped"
    status[refined & ~_all_finite(pose, joints, end)] = "refine_nan"
    status[refined & ~ran] = "nan_start"
    return _Ended(pose, joints, end, start, status)


def _all_finite(*columns: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(np.concatenate(columns, axis=1)).all(axis=1))
