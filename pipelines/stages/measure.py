"""Stage 4 on an accelerator: every refined grasp of a whole batch dropped at once, objects mixed.

Only the gravity test's own measures are taken (`sim_dis_cm`, `contact_end`): volumes and depths are exact
mesh queries on the processor, some hundredths of a second a grasp; `zdg eval` gives them.

For those who want only what holds, closing and then six forces: the hand is closed as `select` closes it
first (`SQUEEZES`' first way), which takes a processor some hundredths of a second a grasp and is dealt to
processes; the six forces of a whole batch are one simulation.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pipelines.stages.messages import Finished, PreparedObject, Refined
from pipelines.stages.select import finished
from sim_eval import backends
from sim_eval.protocols import gravity, six_force
from sim_eval.protocols.hold import HoldResult
from sim_eval.select.closing import Closing, plan_closing
from sim_eval.select.rank import shortlist
from sim_eval.simobject import ConvexParams, SimObject, sim_object
from zdg_jax.hands.model import HandModel, pregrasp_and_squeeze
from zdg_jax.objects.model import SignedDistanceField

_MADE: dict[tuple[str, ConvexParams], SimObject] = {}


class DropStage:
    """The gravity test of batches that mix objects; all grasps are kept, ranked by score."""

    def __init__(self, hand: HandModel, backend: str = "auto") -> None:
        """Args:
        hand: the hand.
        backend: a simulator of `sim_eval.backends`; auto takes what the device is good at.
        """
        self._hand, self._backend = hand, backend

    def drop(self, batch: Sequence[tuple[Refined, PreparedObject]]) -> gravity.GravityResult:
        """Rows in the order of the batch's grasps, one task after the other; bad ones have a status."""
        objects, index = objects_of(batch)
        pose = np.concatenate([r.grasps.hand_pose for r, _ in batch])
        joints = np.concatenate([r.grasps.joints for r, _ in batch])
        return drop_many(self._hand, objects, index, pose, joints, self._backend)

    def finish(self, batch: Sequence[Refined], dropped: gravity.GravityResult) -> list[Finished]:
        """The finished tasks, with the closing of the hand's own rule."""
        begin, done = 0, []
        for each in batch:
            part = slice(begin, begin + len(each.grasps))
            begin = part.stop
            usable = np.flatnonzero(each.grasps.ok)
            order = usable[np.argsort(each.grasps["score"][usable], kind="stable")]
            kept = each.grasps.take(order)
            pregrasp, squeeze = pregrasp_and_squeeze(self._hand, kept.joints)
            kept = kept.with_columns(
                {
                    "pregrasp_pose": kept.hand_pose,
                    "pregrasp_joints": pregrasp,
                    "squeeze_joints": squeeze,
                    "sim_dis_cm": 100.0 * dropped.displacement_m[part][order],
                    "contact_end": dropped.contact_end[part][order],
                    "rank": np.arange(len(order)),
                    "status": np.array(dropped.status[part], np.str_)[order],
                    "status_reason": np.array(dropped.status_reason[part], object)[order],
                }
            )
            done.append(finished(each, kept, len(kept)))
        return done


def objects_of(
    batch: Sequence[tuple[Refined, PreparedObject]],
) -> tuple[list[PreparedObject], Int[np.ndarray, " n"]]:
    """The batch's objects, and which of them each of its grasps is of."""
    objects = list({id(p): p for _, p in batch}.values())
    place = {id(p): i for i, p in enumerate(objects)}
    return objects, np.concatenate([np.full(len(r.grasps), place[id(p)]) for r, p in batch])


def drop_many(
    hand: HandModel,
    objects: Sequence[PreparedObject],
    index: Int[np.ndarray, " n"],
    pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    backend: str = "auto",
) -> gravity.GravityResult:
    """GraspTTA's gravity test of N grasps of any of these objects.

    Args:
      objects: prepared.
      index: which of them each grasp is of.
      pose, joints: as for `gravity.run`.
      backend: see `DropStage`.
    """
    simulator = backends.backend(backend)
    return gravity.run(hand, made(objects, simulator), index, pose, joints, simulator)


def made(objects: Sequence[PreparedObject], simulator: backends.Backend) -> tuple[SimObject, ...]:
    """The objects as the simulator wants them; each is made once, so that nothing is compiled again."""
    done = []
    for each in objects:
        key = (each.obj.mesh_sha256, simulator.convex)
        if key not in _MADE:
            _MADE[key] = sim_object(each.obj.mesh, simulator.convex)
        done.append(_MADE[key])
    return tuple(done)


#: What a process plans with: the hand, and fields by object key.
Loader = Callable[[], tuple[HandModel, dict[str, SignedDistanceField]]]
_LOADED: list[tuple[HandModel, dict[str, SignedDistanceField]]] = []


class HoldStage:
    """Closes the best grasps of every task, pushes them along six axes, and keeps those that hold."""

    def __init__(
        self, hand: HandModel, load: Loader, each: int, backend: str = "auto", processes: int | None = None
    ) -> None:
        """Args:
        hand: the hand.
        load: what a planning process calls once; it must pickle.
        each: grasps of a task that are tried, those of least score.
        backend: a simulator of `sim_eval.backends`; auto takes what the device is good at.
        processes: that plan; by default one a processor.
        """
        self._hand, self._each, self._backend = hand, each, backend
        self._pool = ProcessPoolExecutor(
            processes or os.cpu_count(), multiprocessing.get_context("spawn"), _begin, (load,)
        )

    def __enter__(self) -> HoldStage:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def close(self, batch: Sequence[tuple[Refined, PreparedObject]]) -> list[tuple[Refined, PreparedObject]]:
        """The best grasps of each task with pregrasp and squeeze, the free ones of them."""
        chosen = [r.grasps.take(shortlist(r.grasps, self._each)) for r, _ in batch]
        plans = [
            self._pool.submit(_plan, r.reasoned.task.object_key, g.hand_pose, g.joints)
            for (r, _), g in zip(batch, chosen, strict=True)
        ]
        done = []
        for (refined, prepared), grasps, plan in zip(batch, chosen, plans, strict=True):
            closing = plan.result()
            start = closing.pregrasp
            closed = replace(
                grasps.with_columns({"pregrasp_gap_cm": 100.0 * start.gap_m, "approach_free": start.free}),
                pregrasp_pose=start.hand_pose, pregrasp=start.joints, squeeze=closing.squeeze,
            )  # fmt: skip
            done.append((replace(refined, grasps=closed.take(start.free)), prepared))
        return done

    def drop(self, batch: Sequence[tuple[Refined, PreparedObject]]) -> HoldResult:
        """Rows in the order of the batch's grasps, one task after the other; bad ones have a status."""
        objects, index = objects_of(batch)
        simulator = backends.backend(self._backend)

        def rows(name: str) -> Any:
            return np.concatenate([getattr(r.grasps, name) for r, _ in batch])

        return six_force.run(
            self._hand, made(objects, simulator), index, rows("hand_pose"), rows("pregrasp"), rows("joints"),
            rows("squeeze"), simulator, rows("pregrasp_pose"), until_decided=True,
        )  # fmt: skip

    def finish(self, batch: Sequence[Refined], tested: HoldResult) -> list[Finished]:
        """The finished tasks, with the grasps that hold."""
        begin, done = 0, []
        for each in batch:
            part = slice(begin, begin + len(each.grasps))
            begin = part.stop
            (order,) = np.nonzero(tested.success[part])
            kept = each.grasps.take(order).with_columns(
                {
                    "six_force_suc": np.ones(len(order), bool),
                    "six_force_held": tested.forces_held[part][order],
                    "rank": np.arange(len(order)),
                    "status_reason": np.array(tested.status_reason[part], object)[order],
                }
            )
            done.append(finished(each, kept, part.stop - part.start))
        return done


def _begin(load: Loader) -> None:
    import jax

    jax.config.update("jax_platforms", "cpu")  # the accelerator is the parent's
    _LOADED.append(load())


def _plan(key: str, pose: np.ndarray, joints: np.ndarray) -> Closing:
    hand, fields = _LOADED[0]
    return plan_closing(hand, fields[key], pose, joints)
