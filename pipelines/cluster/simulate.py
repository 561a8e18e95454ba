"""Stage 4: shortlist by energy, simulate, rank, and the rows of the dataset."""

from __future__ import annotations

from typing import Any

from pipelines import rows, selection
from pipelines.cluster.options import GenerateOptions
from pipelines.cluster.reason import trace_of
from pipelines.cluster.tasks import TaskSpec
from pipelines.cluster.work import Finished, PreparedObject, Reasoned, Refined, StageFault
from pipelines.keeping import keep_best
from sim_eval.convex import keep_pieces
from zdg_jax import __version__
from zdg_jax.hands.model import HandModel


class SimulateStage:
    """Measures the most promising grasps of one task and writes its rows."""

    def __init__(
        self, hand: HandModel, keep: int, select: str = "gravity", threads: int | None = None
    ) -> None:
        """Args:
        hand: the hand.
        keep: grasps of a task that stay; three or six times as many are simulated.
        select: the test that they are kept by, one of `keeping.SELECT`.
        threads: of the simulation; by default one a core.
        """
        self._hand, self._keep, self._select, self._threads = hand, keep, select, threads
        self._known: set[str] = set()

    def simulate(self, refined: Refined, prepared: PreparedObject) -> Finished:
        """The finished task."""
        if prepared.pieces is not None and prepared.obj.mesh_sha256 not in self._known:
            keep_pieces(prepared.obj.mesh, prepared.pieces)
            self._known.add(prepared.obj.mesh_sha256)
        reasoned, grasps = refined.reasoned, refined.grasps
        kept = keep_best(
            self._select, self._hand, prepared.obj, reasoned.grasp, grasps, self._keep, self._threads
        )
        chosen, lost = rows.task_rows(
            reasoned.shared, self._hand, reasoned.grasp, kept.batch, kept.places, kept.columns
        )
        status, reason = "ok", ""
        if not chosen:
            status, reason = selection.why_none(grasps.status, grasps.status_reason)
        elif all(row["status"] != "ok" for row in chosen):
            status, reason = chosen[0]["status"], chosen[0]["status_reason"]
        counts = {
            "refined": len(grasps.status),
            "simulated": kept.simulated,
            "kept": sum(row["status"] == "ok" for row in chosen),
            "good": int(selection.good_rows(chosen).sum()),
            "failed": len(lost) + sum(row["status"] != "ok" for row in chosen),
        }
        return finished_task(reasoned, status, reason, chosen + lost, counts)


def unfinished(reasoned: Reasoned) -> Finished:
    """A task that reasoning ended."""
    row = rows.failed_row(reasoned.shared, reasoned.grasp)
    return finished_task(reasoned, reasoned.grasp.status, reasoned.grasp.status_reason, [row], {})


def stumbled(
    task: TaskSpec, options: GenerateOptions, fault: StageFault, reasoned: Reasoned | None = None
) -> Finished:
    """A task over which a stage stumbled; what is known of it stays.

    Args:
      fault: which status and why.
      reasoned: None if it never came so far.
    """
    known: dict[str, Any] = {
        "object_id": task.object,
        "object_scale": task.scale,
        "mesh_sha256": "",
        "hand": options.hand,
        "task": task.task,
        "reasoner": options.reasoner,
        "seed": task.seed,
        "config_sha": options.sha(),
        "code_version": __version__,
        "calls": [],
    }
    row = {
        **(known if reasoned is None else reasoned.shared),
        "task_id": task.task_id,
        "grasp_id": f"{task.task_id}-{task.seed}-none",
        "status": fault.status,
        "status_reason": fault.reason,
    }
    if reasoned is None:
        return Finished(task, fault.status, fault.reason, [row])
    return finished_task(reasoned, fault.status, fault.reason, [row], {})


def finished_task(
    reasoned: Reasoned, status: str, reason: str, rows_: list[dict[str, Any]], counts: dict[str, int]
) -> Finished:
    """A task with its rows, as it is written."""
    return Finished(
        reasoned.task, status, reason, rows_, counts, trace_of(reasoned), reasoned.pictures, reasoned.about
    )
