"""Which refined grasps of a task are kept, and how the hand comes and presses (DESIGN §1).

Both ways leave the grasps as refinement made them. `hold` closes the hand on the promising ones of every
hypothesis, keeps what withstands six forces and says how surely; `gravity` keeps what GraspTTA's test
praises, as the paper's tables have it, and then closes the hand on it. Everything is simulated by C MuJoCo,
on every machine: a few dozen grasps are done there before an accelerator has compiled anything, and what is
kept does not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from sim_eval import backends
from sim_eval.evaluate import evaluate, measure_shape
from sim_eval.protocols.six_force import hold_share
from sim_eval.select import SelectBy
from sim_eval.select.closing import close_and_test, plan_closing
from sim_eval.select.rank import (
    around,
    candidates,
    good,
    held,
    off_point,
    promising,
    rank,
    rank_by_hold,
    seemly,
    shortlist,
    spread,
)
from sim_eval.select.score import with_off_region_penalty
from sim_eval.simobject import sim_object
from zdg_jax.grasps import Grasps, concat
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel

BACKEND = "c"
SHORTLIST = 3  # grasps that a round simulates for every kept one
ROUNDS = 2
#: Grasps on which `hold` closes the hand for every kept one, and those of them that it measures.
CLOSED, MEASURED = 6, 2
#: Grasps that are closed on at once, at least: what occupies a few cores.
FEWEST = 8
#: What `hold` finds candidates by, and what else it ranks by, beside the closing.
FOUND_BY, RANKED_BY = ("self_pen_cm", "posture_deg"), ("p_dep_cm", "thumb_contact", "force_closure")


@dataclass(frozen=True, eq=False)
class Selected:
    """What stays of a task.

    Attributes:
      kept: best first, with their measures, their closing, `good` and `rank`.
      simulated: how many were.
    """

    kept: Grasps
    simulated: int


def select(
    hand: HandModel,
    obj: ObjectModel,
    grasps: Grasps,
    keep: int,
    *,
    by: SelectBy = "hold",
    guidance: ContactGuidance | None = None,
    part: Bool[np.ndarray, " samples"] | None = None,
    close: bool = True,
    choose: bool = True,
    threads: int | None = None,
) -> Selected:
    """The best `keep` grasps of a task: score, shortlist, close and test, rank.

    To hold, the hand closes on 6 keep candidates, the promising first, until 2 keep hold, and those that are
    kept go through perturbed tests; what is lost in most of them gives its place to the next. By gravity the
    3 keep of least score are simulated, and where fewer than keep / 2 of them are good the next 3 keep too:
    of a flat thing most grasps slip.

    Args:
      hand, obj: the hand and the object.
      grasps: all starts of the task, with `score`.
      keep: how many stay.
      by: the test.
      guidance: the regions that were reasoned: what touches other ones is worse (`score.off_region_ratio`).
      part: the object's samples on the ground-truth part, see `evaluate`.
      close: whether a closing is planned and tested for grasps kept by gravity.
      choose: False for the first `keep` usable ones as they come, to see a batch before any choice.
      threads: of the simulator; by default one a core.
    """
    grasps = with_off_region_penalty(hand, obj, grasps, guidance)
    if by == "hold" and choose:
        any_side = guidance is not None and guidance.any_side
        kept, simulated = _by_hold(hand, obj, grasps, keep, any_side, part, threads)
    else:
        kept, simulated = _by_gravity(hand, obj, grasps, keep, part, choose, threads)
        if close:
            kept = closed(hand, obj, kept, threads)
    return Selected(_judged(hand, obj, kept), simulated)


def measured(
    hand: HandModel,
    obj: ObjectModel,
    grasps: Grasps,
    part: Bool[np.ndarray, " samples"] | None = None,
    threads: int | None = None,
) -> Grasps:
    """The grasps with the columns of `evaluate` by the gravity test."""
    return grasps.with_columns(
        evaluate(hand, obj, grasps.hand_pose, grasps.joints, part=part, threads=threads, backend=BACKEND)
    )


def closed(hand: HandModel, obj: ObjectModel, grasps: Grasps, threads: int | None = None) -> Grasps:
    """The grasps with the best closing of each, and whether it withstands six forces.

    An object that can't be simulated has a closing all the same, and no verdict.

    Args:
      hand, obj: the hand and the object.
      grasps: they stay as they are.
      threads: of the simulator; by default one a core.
    """
    if not len(grasps):
        return grasps
    simulator = backends.backend(BACKEND, threads)
    pose, joints, enclosed = grasps.hand_pose, grasps.joints, grasps.columns.get("enclosed")
    try:
        target = sim_object(obj.mesh, simulator.convex)
    except ValueError:  # the row's own simulation says so
        closing = plan_closing(hand, obj.field, pose, joints, enclosed=enclosed)
    else:
        closing = close_and_test(hand, obj.field, target, pose, joints, simulator, enclosed=enclosed)
    start = closing.pregrasp
    found = grasps.with_columns(
        {
            "pregrasp_gap_cm": 100.0 * start.gap_m,
            "approach_free": start.free,
            "approach_reason": np.array(start.reason, object),
            "squeeze_way": np.array(closing.way, object),
            "six_force_suc": closing.success,
            "six_force_held": closing.forces_held,
        }
    )
    return replace(found, pregrasp_pose=start.hand_pose, pregrasp=start.joints, squeeze=closing.squeeze)


def ranked(grasps: Grasps) -> Grasps:
    """The grasps, best first by `rank.rank` within each task, with `good` and `rank`."""
    order = rank(grasps.columns, grasps["score"])
    grasps = grasps.take(order)
    place = np.zeros(len(grasps), np.int64)
    for task in np.unique(grasps.task_index):
        mine = grasps.task_index == task
        place[mine] = np.arange(mine.sum())
    return grasps.with_columns({"good": good(grasps.columns), "rank": place})


def _by_gravity(
    hand: HandModel,
    obj: ObjectModel,
    grasps: Grasps,
    keep: int,
    part: Bool[np.ndarray, " samples"] | None,
    choose: bool,
    threads: int | None,
) -> tuple[Grasps, int]:
    step = SHORTLIST * keep
    if not choose:  # one round takes them all
        order = np.sort(shortlist(grasps, len(grasps)))[:keep]
        return measured(hand, obj, grasps.take(order), part, threads), len(order)
    order = shortlist(grasps, ROUNDS * step)
    rounds: list[Grasps] = []
    while sum(map(len, rounds)) < len(order) and (
        not rounds or 2 * good(concat(rounds).columns).sum() < keep
    ):
        rows = order[sum(map(len, rounds)) :][:step]
        rounds.append(measured(hand, obj, grasps.take(rows), part, threads))
    if not rounds:
        return grasps.take(order), 0
    done = concat(rounds)
    done = replace(done, tasks=grasps.tasks, task_index=grasps.task_index[order[: len(done)]])
    return done.take(rank(done.columns, done["score"])[:keep]), len(done)


def _by_hold(
    hand: HandModel,
    obj: ObjectModel,
    grasps: Grasps,
    keep: int,
    any_side: bool,
    part: Bool[np.ndarray, " samples"] | None,
    threads: int | None,
) -> tuple[Grasps, int]:
    """Those that withstand six forces, natural ones first, from several hypotheses or sides; see `rank`."""
    listed = grasps.with_columns(measure_shape(hand, obj, grasps.hand_pose, grasps.joints, only=FOUND_BY))
    listed = listed.take(candidates(listed, CLOSED * keep))
    if not len(listed):
        return listed, 0
    listed = listed.with_columns(measure_shape(hand, obj, listed.hand_pose, listed.joints, part, RANKED_BY))
    listed = listed.take(promising(listed))
    tried = closed(hand, obj, listed, threads) if any_side else _closed_on(hand, obj, listed, keep, threads)
    simulated = len(tried)
    tried = tried.take(rank_by_hold(tried))
    first = around(tried, MEASURED * keep) if any_side else np.arange(min(MEASURED * keep, len(tried)))
    tried = measured(hand, obj, tried.take(first), part, threads)
    return _surely(hand, obj, tried, keep, any_side, threads), simulated


def _closed_on(hand: HandModel, obj: ObjectModel, listed: Grasps, keep: int, threads: int | None) -> Grasps:
    """The first grasps with their closing, until so many hold as are measured: those are what all of them
    would have given, for a grasp that does not hold never comes before one that does."""
    most, rounds, at = MEASURED * keep, [], 0
    while at < len(listed):
        missing = most - sum(int((held(done) & ~off_point(done)).sum()) for done in rounds)
        if missing <= 0:
            break
        rows = np.arange(at, min(at + max(missing, FEWEST), len(listed)))
        rounds.append(closed(hand, obj, listed.take(rows), threads))
        at += len(rows)
    done = concat(rounds)
    return replace(done, tasks=listed.tasks, task_index=listed.task_index[:at])


def _surely(
    hand: HandModel, obj: ObjectModel, tried: Grasps, keep: int, any_side: bool, threads: int | None
) -> Grasps:
    """Those that are kept, with `hold_share`, in the order of `rank.seemly`: what is lost in most perturbed
    tests gives its place to the next that has not been through them, as long as there are any."""
    simulator, pick = backends.backend(BACKEND, threads), around if any_side else spread
    try:
        target = sim_object(obj.mesh, simulator.convex)
    except ValueError:  # the row's own simulation says so
        target = None
    share, tested = np.full(len(tried), np.nan), np.zeros(len(tried), bool)
    while True:
        known = tried.with_columns({"hold_share": share}) if tested.any() else tried
        order = seemly(known)
        chosen = order[pick(known.take(order), keep)]
        rows = chosen[~tested[chosen]]
        if target is None or not len(rows):
            kept = known.take(chosen)
            return kept.take(seemly(kept))
        new = tried.take(rows)
        share[rows] = hold_share(
            hand, (target,), np.zeros(len(rows), int), new.hand_pose, new.pregrasp, new.joints, new.squeeze,
            simulator, new.pregrasp_pose,
        )  # fmt: skip
        tested[rows] = True


def _judged(hand: HandModel, obj: ObjectModel, kept: Grasps) -> Grasps:
    """With their starts' penetration, `good`, and their rank: their place."""
    if not len(kept):
        return kept
    names = ("p_dep_cm", "p_vol_cm3")
    initial = measure_shape(hand, obj, kept["init_pose"], kept["init_joints"], only=names)
    return kept.with_columns(
        {
            **{f"initial_{name}": initial[name] for name in names},
            "good": good(kept.columns),
            "rank": np.arange(len(kept)),
        }
    )
