"""What passes from stage to stage; small, and plain enough to travel between machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.cluster.tasks import TaskSpec
from sim_eval.convex import ConvexPieces
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.objects.model import ObjectModel


@dataclass(frozen=True, eq=False)
class PreparedObject:
    """All that the later stages need of an object, made once.

    Attributes:
      obj: mesh, samples, parts, features, field.
      pieces: its convex pieces for the simulation; None where it can't be simulated.
    """

    obj: ObjectModel
    pieces: ConvexPieces | None


@dataclass(frozen=True, eq=False)
class Reasoned:
    """A task after reasoning.

    Attributes:
      task: which.
      grasp: with its status.
      columns: what all its rows share, `provenance.task_columns`.
      trace: JSON-able record of the stages.
      pictures: file name to content hash of every picture that was shown.
      about: `provenance.object_info` of its object.
    """

    task: TaskSpec
    grasp: ReasonedGrasp
    columns: Mapping[str, Any]
    trace: Mapping[str, Any]
    pictures: Mapping[str, str]
    about: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Refined:
    """A task after refinement: all its starts."""

    reasoned: Reasoned
    grasps: Grasps


@dataclass(frozen=True, eq=False)
class Finished:
    """A task as it is written: "ok", or why no grasp could be kept.

    Attributes:
      task: which.
      status, reason: of the task as a whole.
      grasps: kept ones, those that failed, or one row for a task that came to none.
      counts: of grasps, by what became of them: refined, simulated, kept, good, failed.
      trace, pictures, about: see `Reasoned`.
    """

    task: TaskSpec
    status: str
    reason: str
    grasps: Grasps
    counts: Mapping[str, int] = field(default_factory=dict)
    trace: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


class StageFault(Exception):
    """A stage stumbled over one task; `status` and `reason` go into its row."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = status, " ".join(reason.split())[:300]
        super().__init__(status, reason)
