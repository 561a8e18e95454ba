"""Stage 4: shortlist by score, simulate, rank; and the one place where a task becomes what is written."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.drivers.tasks import TaskSpec
from pipelines.options import GenerateOptions
from pipelines.stages.messages import Finished, PreparedObject, Reasoned, Refined, StageFault
from pipelines.stages.reason import trace_of
from sim_eval.select import SelectBy
from sim_eval.select.select import select
from sim_eval.simobject import keep_pieces
from zdg_jax import __version__
from zdg_jax.grasps import Grasps, concat
from zdg_jax.hands.model import HandModel


class SelectStage:
    """Measures the most promising grasps of one task and keeps the best."""

    def __init__(
        self, hand: HandModel, keep: int, by: SelectBy = "gravity", threads: int | None = None
    ) -> None:
        """Args:
        hand: the hand.
        keep: grasps of a task that stay; three or six times as many are simulated.
        by: the test that they are kept by.
        threads: of the simulation; by default one a core.
        """
        self._hand, self._keep, self._threads = hand, keep, threads
        self._by: SelectBy = by
        self._known: set[str] = set()

    def select(self, refined: Refined, prepared: PreparedObject) -> Finished:
        """The finished task."""
        if prepared.pieces is not None and prepared.obj.mesh_sha256 not in self._known:
            keep_pieces(prepared.obj.mesh, prepared.pieces)
            self._known.add(prepared.obj.mesh_sha256)
        guidance = refined.reasoned.grasp.guidance
        chosen = select(
            self._hand, prepared.obj, refined.grasps, self._keep, by=self._by, guidance=guidance,
            threads=self._threads,
        )  # fmt: skip
        return finished(refined, chosen.kept, chosen.simulated)


def finished(refined: Refined, kept: Grasps, simulated: int) -> Finished:
    """A refined task: the kept grasps, and those that refinement lost; its status is "ok" if one is."""
    batch, reasoned = refined.grasps, refined.reasoned
    lost = batch.take(~batch.ok)
    status, reason = "ok", ""
    if not len(kept):
        status, reason = batch.why_none()
    elif not kept.ok.any():
        status, reason = str(kept.status_name[0]), str(kept.status_reason[0])
    counts = {
        "refined": len(batch),
        "simulated": simulated,
        "kept": int(kept.ok.sum()),
        "good": int(np.asarray(kept["good"], bool).sum()) if "good" in kept else 0,
        "failed": len(lost) + int((~kept.ok).sum()),
    }
    rows = concat([kept, lost]).with_task(reasoned.columns)
    return finished_task(reasoned, status, reason, rows, counts)


def unfinished(hand: HandModel, reasoned: Reasoned) -> Finished:
    """A task that reasoning ended."""
    status, reason = reasoned.grasp.status, reasoned.grasp.status_reason
    row = Grasps.failed(hand.name, hand.active_names, status, reason, reasoned.columns)
    return finished_task(reasoned, status, reason, row, {})


def stumbled(
    task: TaskSpec,
    options: GenerateOptions,
    hand: HandModel,
    fault: StageFault,
    reasoned: Reasoned | None = None,
) -> Finished:
    """A task over which a stage stumbled; what is known of it stays.

    Args:
      task, options: of the run.
      hand: gives the joints.
      fault: which status and why.
      reasoned: None if it never came so far.
    """
    known: dict[str, Any] = {
        "task_id": task.task_id,
        "object_id": task.object,
        "object_scale": task.scale,
        "mesh_sha256": "",
        "task": task.task,
        "reasoner": options.reasoner,
        "seed": task.seed,
        "config_sha": options.config_sha(),
        "code_version": __version__,
        "calls": [],
    }
    columns = known if reasoned is None else reasoned.columns
    row = Grasps.failed(hand.name, hand.active_names, fault.status, fault.reason, columns)
    if reasoned is None:
        return Finished(task, fault.status, fault.reason, row)
    return finished_task(reasoned, fault.status, fault.reason, row, {})


def finished_task(
    reasoned: Reasoned, status: str, reason: str, grasps: Grasps, counts: dict[str, int]
) -> Finished:
    """A task with its grasps, as it is written."""
    return Finished(
        reasoned.task, status, reason, grasps, counts, trace_of(reasoned), reasoned.pictures, reasoned.about
    )
