"""Which refined grasps of a task are kept: by the gravity test, or by `six_force` once the hand is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pipelines import selection
from pipelines.dataset import MORE_METRICS
from zdg_jax.errors import UserError
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.result import RefinedGrasps

SELECT = ("gravity", "six_force")
MEASURED = ("p_dep_cm", "p_dep_object_cm", "p_vol_cm3", "sim_dis_cm", "sim_suc", "contact_end")
STATUS = ("status", "status_reason")


@dataclass(frozen=True)
class Kept:
    """What stays of a task.

    Attributes:
      batch: all its grasps; of the closed hand where it was closed.
      places: of the kept ones in the batch, best first.
      columns: their measures, in the same order.
      closing: joints before and after the grasp of the batch, see `pipelines.firm`; None where the hand was
        not closed.
      simulated: how many were simulated.
    """

    batch: RefinedGrasps
    places: Int[np.ndarray, " kept"]
    columns: dict[str, np.ndarray]
    closing: tuple[Float[np.ndarray, "k active"], Float[np.ndarray, "k active"]] | None
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
    by = _closed if select == "six_force" else _dropped
    return by(hand, obj, grasp, refined, count, threads)


def _dropped(
    hand: HandModel,
    obj: ObjectModel,
    grasp: ReasonedGrasp,
    refined: RefinedGrasps,
    count: int,
    threads: int | None,
) -> Kept:
    from pipelines.choose import chosen, strayed

    pose, joints = refined.hand_pose, refined.joints
    score = strayed(hand, obj, grasp.guidance, pose, joints, np.asarray(refined.score))
    places, columns, simulated = chosen(
        hand, obj, pose, joints, score, refined.status, count, threads=threads
    )
    return Kept(refined, places, _measured(hand, obj, refined, places, columns), None, simulated)


def _closed(
    hand: HandModel,
    obj: ObjectModel,
    _: ReasonedGrasp,
    refined: RefinedGrasps,
    count: int,
    threads: int | None,
) -> Kept:
    from pipelines.firm import firm_rank, firm_shortlist, make_firm
    from sim_eval.evaluate import evaluate

    firm = make_firm(hand, obj, refined, threads)
    batch, closing = firm.refined, (firm.pregrasp, firm.squeeze)
    listed = firm_shortlist(firm, selection.SHORTLIST * count)
    simulated = sum(status == "ok" for status in refined.status)
    if len(listed) == 0:
        return Kept(batch, listed, {}, closing, simulated)
    columns = evaluate(
        hand, obj, batch.hand_pose[listed], batch.joints[listed], threads=threads, backend=selection.BACKEND
    )
    columns |= {"six_force_suc": firm.success[listed]}
    order = firm_rank(firm, listed, columns["p_dep_cm"])[:count]
    places, columns = listed[order], {name: np.asarray(values)[order] for name, values in columns.items()}
    return Kept(batch, places, _measured(hand, obj, batch, places, columns), closing, simulated)


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
    wanted = (*MEASURED, *STATUS, *(n for n in ("six_force_suc", *MORE_METRICS) if n in columns))
    measured = {name: columns[name] for name in wanted}
    measured.update({f"initial_{name}": np.asarray(initial[name]) for name in ("p_dep_cm", "p_vol_cm3")})
    return {**measured, "rank": np.arange(len(places))}
