"""Contact-guided grasp refinement (paper III-E): the package's front door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Float

from zdg_jax.grasps import Grasps
from zdg_jax.guidance import InitialGrasp, ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.batching import Device, fits
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.driver import OnBatch, OptimizerResult, run
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.hypotheses import AIMED, REASONED, hypotheses
from zdg_jax.refine.pose_deviation import pose_deviation
from zdg_jax.refine.problem import Problem, Starts, build_problem, jittered, random_around
from zdg_jax.refine.variables import to_field, to_object

#: Of a row that its task's problem says nothing of; `Status` has what each means.
_REASONS = {
    "nan_start": "got a start that is not finite; expected finite numbers in pose and joints",
    "refine_nan": "refinement became non-finite; expected finite pose, joints and energies",
    "outside_field": "no skin vertex ended inside the object's field; expected the hand to reach the object",
    "stopped": "ended early: not among the share of its task's starts that went on",
}


@dataclass(frozen=True, eq=False)
class Task:
    """One reasoned grasp to refine.

    Attributes:
      obj: the object that `grasp` was reasoned on.
      grasp: guidance and initial grasp.
      num: starts around G'.
      seed: of the jitter.
      starts: (pose [k, 7], joints [k, active]) instead, object frame; `num` and `seed` are not looked at.
    """

    obj: ObjectModel
    grasp: ReasonedGrasp
    num: int = 64
    seed: int = 0
    starts: tuple[Float[np.ndarray, "k 7"], Float[np.ndarray, "k active"]] | None = None


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
    config = config or RefineConfig()
    used = list(jax.local_devices() if devices is None else devices)
    problems = [_problem(hand, task, config) for task in tasks]
    begun = [_starts(hand, task, config) for task in tasks]
    starts = [(b.pose, b.joints) for b in begun]
    good = [p for p in problems if p.status == "ok"]
    if not good:
        return [_assemble(hand, *each, None, config) for each in zip(tasks, problems, begun, strict=True)]
    # a task that can't be refined keeps its place, so that its neighbours keep theirs
    run_problems = [p if p.status == "ok" else good[0] for p in problems]
    run_starts = [
        _finite(hand, to_field(p.field.R_field_obj, pose), joints)
        for p, (pose, joints) in zip(problems, starts, strict=True)
    ]
    kinds = list(hand.grasp_types)
    # a start whose fingers are aimed has the last prior, see `problem._priors`
    kind = [
        np.array([
            len(kinds) if hypothesis == AIMED.name else kinds.index(name)
            for name, hypothesis in zip(b.grasp_type, b.hypothesis, strict=True)
        ])
        for b in begun
    ]  # fmt: skip
    ended = run(hand, run_problems, run_starts, kind, config, used, on_batch)
    cuts = np.cumsum([len(pose) for pose, _ in starts])[:-1]
    fields = [np.split(getattr(ended, name), cuts) for name in OptimizerResult.__dataclass_fields__]
    each = [OptimizerResult(*parts) for parts in zip(*fields, strict=True)]
    return [_assemble(hand, *x, config) for x in zip(tasks, problems, begun, each, strict=True)]


def _problem(hand: HandModel, task: Task, config: RefineConfig) -> Problem:
    problem = build_problem(hand, task.obj, task.grasp, config)
    if problem.status == "ok" and not fits([problem], 1):
        return replace(
            problem,
            status="field_size",
            reason="got a field with too many cells; expected fewer fine details",
        )
    return problem


@dataclass(frozen=True, eq=False)
class _Begun:
    """The starts of a task, each with the hypothesis that it is of and where that puts the hand."""

    pose: Float[np.ndarray, "k 7"]
    joints: Float[np.ndarray, "k active"]
    hypothesis: tuple[str, ...]
    initial: tuple[InitialGrasp | None, ...]
    grasp_type: tuple[str, ...]

    @classmethod
    def of(
        cls, hand: HandModel, starts: Starts, initial: InitialGrasp | None, name: str = REASONED.name
    ) -> _Begun:
        """All of one hypothesis."""
        n = len(starts[0])
        kind = initial.grasp_type if initial is not None else next(iter(hand.grasp_types))
        return cls(*starts, (name,) * n, (initial,) * n, (kind,) * n)


def _starts(hand: HandModel, task: Task, config: RefineConfig) -> _Begun:
    active, initial = len(hand.active_names), task.grasp.initial
    if task.starts is not None:
        pose, joints = (np.asarray(x, dtype=np.float64) for x in task.starts)
        if len(pose) < 1 or pose.shape != (len(pose), 7) or joints.shape != (len(pose), active):
            raise ValueError(
                f"got starts {pose.shape} and {joints.shape}; expected [k, 7] and [k, {active}], k >= 1"
            )
        return _Begun.of(hand, (pose, joints), initial)
    if task.num < 1:
        raise ValueError(f"got num {task.num}; expected at least 1")
    if config.ablation == "initial":
        return _Begun.of(hand, random_around(hand, task.obj, task.num, task.seed), initial)
    if initial is None:
        nothing = np.full((task.num, 7), np.nan), np.full((task.num, active), np.nan)
        return _Begun.of(hand, nothing, None)
    found = hypotheses(hand, task.obj, task.grasp, config.hypotheses, task.num)
    each = [
        _Begun.of(
            hand, jittered(hand, h.initial, h.num, task.seed + place, config, h.joints), h.initial, h.name
        )
        for place, h in enumerate(found)
    ]
    return _Begun(
        np.concatenate([b.pose for b in each]),
        np.concatenate([b.joints for b in each]),
        *(
            tuple(x for b in each for x in getattr(b, name))
            for name in ("hypothesis", "initial", "grasp_type")
        ),
    )


def _finite(hand: HandModel, pose: np.ndarray, joints: np.ndarray) -> Starts:
    """Stand-ins for starts that are not finite."""
    bad = ~_all_finite(pose, joints)[:, None]
    return np.where(bad, [0, 0, 0, 1.0, 0, 0, 0], pose), np.where(bad, hand.open_joints, joints)


def _assemble(
    hand: HandModel,
    task: Task,
    problem: Problem,
    begun: _Begun,
    ended: OptimizerResult | None,
    config: RefineConfig,
) -> Grasps:
    init_pose, init_joints = begun.pose, begun.joints
    weights = config.lambdas()
    status = np.full(len(init_pose), problem.status, dtype=object)
    pose, joints = np.full_like(init_pose, np.nan), np.full_like(init_joints, np.nan)
    end = start = np.full((len(init_pose), len(TERMS)), np.nan)
    if ended is not None and problem.status == "ok":
        ran = _all_finite(init_pose, init_joints)
        pose, joints, end, start = (
            np.where(ran[:, None], x, np.nan)
            for x in (
                to_object(problem.field.R_field_obj, ended.pose),
                ended.joints.astype(np.float64), ended.terms, ended.start_terms,
            )
        )  # fmt: skip
        if config.ablation != "refine":  # starts may be anywhere
            status[~ended.reaches] = "outside_field"
        status[ended.stopped] = "stopped"
        status[~_all_finite(pose, joints, end)] = "refine_nan"
        status[~ran] = "nan_start"
    # no matrix product: its last bits depend on how many rows there are
    total, init_total = ((terms * weights).sum(axis=1) for terms in (end, start))
    deviation = np.full(len(pose), np.nan)
    for name in dict.fromkeys(begun.hypothesis):
        rows = np.array([x == name for x in begun.hypothesis])
        initial = begun.initial[int(np.argmax(rows))]
        if initial is not None:
            deviation[rows] = pose_deviation(hand, initial, pose[rows])
    return Grasps.of(
        hand.name, hand.active_names, pose, joints, status=status,
        status_reason=[problem.reason or _REASONS.get(s, "") for s in status],
        columns={
            "start": np.arange(len(pose)), "init_pose": init_pose, "init_joints": init_joints,
            "hypothesis": np.array(begun.hypothesis, object),
            "grasp_type": np.array(begun.grasp_type, object),
            "energy_total": total, "init_energy_total": init_total, "pose_deviation": deviation,
            # G' carries the task's meaning: of two grasps of like energy the one nearer to it is kept
            "score": total + config.drift_weight * deviation,
            **{f"energy.{t}": end[:, i] for i, t in enumerate(TERMS)},
            **{f"init_energy.{t}": start[:, i] for i, t in enumerate(TERMS)},
        },
    )  # fmt: skip


def _all_finite(*columns: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(np.concatenate(columns, axis=1)).all(axis=1))
