"""Stage 4 on an accelerator, for those who want only what holds: closing, then six forces, objects mixed.

The hand is closed as `select` closes it first (`SQUEEZES`' first way), which takes a processor some
hundredths of a second a grasp and is dealt to processes; the six forces of a whole batch are one simulation.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from pipelines.stages.measure import made, objects_of
from pipelines.stages.messages import Finished, PreparedObject, Refined
from pipelines.stages.select import finished
from sim_eval import backends
from sim_eval.protocols import six_force
from sim_eval.protocols.hold import HoldResult
from sim_eval.select.closing import Closing, plan_closing
from sim_eval.select.rank import shortlist
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import SignedDistanceField

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
