"""Which refined grasps of a task are kept, and how the hand comes and presses (DESIGN §2).

Both tests leave the grasps as refinement made them. `gravity` keeps what GraspTTA's test praises and then
closes the hand on it; `six_force` closes it on all the promising ones first and keeps what withstands six
forces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipelines import selection
from pipelines.dataset import CLOSING, MORE_METRICS
from zdg_jax.errors import UserError
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.result import RefinedGrasps

SELECT = ("gravity", "six_force")
MEASURED = ("p_dep_cm", "p_dep_object_cm", "p_vol_cm3", "sim_dis_cm", "sim_suc", "contact_end")
STATUS = ("status", "status_reason")
#: With `six_force` a grasp this deep in the object comes after all that hold and are not, cm.
DEEP_CM = 0.15


@dataclass(frozen=True)
class Kept:
    """What stays of a task.

    Attributes:
      batch: all its grasps.
      places: of the kept ones in the batch, best first.
      columns: their measures and their closing (`closing_columns`), in the same order.
      simulated: how many were simulated.
    """

    batch: RefinedGrasps
    places: Int[np.ndarray, " kept"]
    columns: dict[str, np.ndarray]
    simulated: int


def check_select(select: str) -> None:
    """Raises UserError for an unknown test."""
    if select not in SELECT:
        raise UserError(f"--select {select!r}", f"one of {', '.join(SELECT)}", "choose one of these")


def keep_best(
    select: str,
    hand: HandModel,
    obj: ObjectModel,
    grasp: ReasonedGrasp,
    refined: RefinedGrasps,
    count: int,
    threads: int | None = None,
) -> Kept:
    """The best `count` grasps of a task.

    Args:
      select: one of `SELECT`.
      hand, obj: the hand and the object.
      grasp: what was reasoned.
      refined: all starts of the task.
      count: how many stay.
      threads: of the simulator; by default one a core.
    """
    from pipelines.choose import strayed

    pose, joints = refined.hand_pose, refined.joints
    score = strayed(hand, obj, grasp.guidance, pose, joints, np.asarray(refined.score))
    by = _held if select == "six_force" else _dropped
    places, columns, simulated = by(hand, obj, refined, score, count, threads)
    return Kept(refined, places, _measured(hand, obj, refined, places, columns), simulated)


def closing_columns(
    hand: HandModel,
    obj: ObjectModel,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    threads: int | None = None,
) -> dict[str, np.ndarray]:
    """The columns of `dataset.CLOSING` and the six-force test's: the best closing of each grasp.

    Simulated by C MuJoCo on every machine, so that what is kept does not depend on it. An object that can't
    be simulated has a closing all the same, and no verdict.

    Args:
      hand, obj: the hand and the object.
      hand_pose, joints: grasps that stay as they are.
      threads: of the simulator; by default one a core.
    """
    from sim_eval import backends
    from sim_eval.select.closing import close_and_test, plan_closing
    from sim_eval.simobject import sim_object

    simulator = backends.backend(selection.BACKEND, threads)
    try:
        target = sim_object(obj.mesh, simulator.convex)
    except ValueError:  # the row's own simulation says so
        closing = plan_closing(hand, obj.field, hand_pose, joints)
    else:
        closing = close_and_test(hand, obj.field, target, hand_pose, joints, simulator)
    start = closing.pregrasp
    return {
        "pregrasp_pose": start.hand_pose,
        "pregrasp_joints": start.joints,
        "squeeze_joints": closing.squeeze,
        "pregrasp_gap_cm": 100.0 * start.gap_m,
        "approach_free": start.free,
        "approach_reason": np.array(start.reason, np.str_),
        "squeeze_way": np.array(closing.way, np.str_),
        "six_force_suc": closing.success,
        "six_force_held": closing.forces_held,
    }


def _dropped(
    hand: HandModel,
    obj: ObjectModel,
    refined: RefinedGrasps,
    score: Float[np.ndarray, " k"],
    count: int,
    threads: int | None,
) -> tuple[np.ndarray, dict[str, np.ndarray], int]:
    from pipelines.choose import chosen

    pose, joints = refined.hand_pose, refined.joints
    places, columns, simulated = chosen(
        hand, obj, pose, joints, score, refined.status, count, threads=threads
    )
    if not len(places):
        return places, {}, simulated
    return places, columns | closing_columns(hand, obj, pose[places], joints[places], threads), simulated


def _held(
    hand: HandModel,
    obj: ObjectModel,
    refined: RefinedGrasps,
    score: Float[np.ndarray, " k"],
    count: int,
    threads: int | None,
) -> tuple[np.ndarray, dict[str, np.ndarray], int]:
    """Those that withstand six forces and are not deep, those that do, the others by forces withstood."""
    from sim_eval.evaluate import evaluate

    step = selection.SHORTLIST * count
    listed = selection.shortlist(score, refined.status, selection.ROUNDS * step)
    if not len(listed):
        return listed, {}, 0
    pose, joints = refined.hand_pose, refined.joints
    closed = closing_columns(hand, obj, pose[listed], joints[listed], threads)
    first = np.lexsort((score[listed], -closed["six_force_held"], ~closed["six_force_suc"]))[:step]
    places = listed[first]
    columns = evaluate(
        hand, obj, pose[places], joints[places], threads=threads, backend=selection.BACKEND
    ) | {name: values[first] for name, values in closed.items()}
    deep = ~(np.asarray(columns["p_dep_cm"]) <= DEEP_CM)
    order = np.lexsort((score[places], deep, -columns["six_force_held"], ~columns["six_force_suc"]))[:count]
    return places[order], {name: np.asarray(values)[order] for name, values in columns.items()}, len(listed)


def _measured(
    hand: HandModel,
    obj: ObjectModel,
    refined: RefinedGrasps,
    places: np.ndarray,
    columns: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Columns of the kept grasps, best first, with their starts' penetration and their rank."""
    if len(places) == 0:
        return {}
    from sim_eval.measure import measure_shape

    initial = measure_shape(hand, obj, refined.init_pose[places], refined.init_joints[places])
    closing = ("pregrasp_joints", "squeeze_joints", "six_force_suc", *CLOSING)
    wanted = (*MEASURED, *STATUS, *(n for n in (*closing, *MORE_METRICS) if n in columns))
    measured = {name: columns[name] for name in wanted}
    measured.update({f"initial_{name}": np.asarray(initial[name]) for name in ("p_dep_cm", "p_vol_cm3")})
    return {**measured, "rank": np.arange(len(places))}
