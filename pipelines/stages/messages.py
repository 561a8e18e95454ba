"""What passes from stage to stage; small, and plain enough to travel between machines."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pipelines.drivers.journal import now
from pipelines.drivers.tasks import TaskSpec
from sim_eval.simobject import ConvexPieces
from zdg_jax.errors import UserError, machine_error, name_error
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.objects.model import ObjectModel
from zdg_jax.status import Status

# Work with its time and place; a stumble as a value.
T = TypeVar("T")


@dataclass(frozen=True)
class Timed(Generic[T]):
    """What a worker gives back: a value or a fault, and when (seconds since 1970) and where it worked.

    `more` goes into the log as it is; `process_s` there is the processor time of the process so far.
    """

    value: T | StageFault
    begin: float
    end: float
    pid: int
    more: dict[str, Any]


def timed(stage: str, work: Callable[[], T]) -> Timed[T]:
    """Do it; what goes wrong is a fault of these tasks, not of the run."""
    begin = now()
    try:
        value: T | StageFault = work()
    except Exception as error:
        value = fault(stage, error)
    return ended(value, begin)


def ended(value: T | StageFault, begin: float, **more: Any) -> Timed[T]:
    """What began then and ends now, here."""
    more = {"process_s": round(time.process_time(), 2), **more}
    return Timed(value, begin, now(), os.getpid(), more)


def fault(stage: str, error: Exception) -> StageFault:
    """An exception as a status; one that the user can't mend is printed into the worker's own log.

    A fault of the machine is no verdict on the task: its status ends the run.
    """
    if (machine := machine_error(error)) is not None:
        return StageFault(Status.MACHINE_FAULT, str(machine))
    if (told := name_error(error)) is not None or isinstance(error, UserError):
        return StageFault("bad_object", str(told or error))
    traceback.print_exception(error)
    return StageFault(f"{stage}_error", f"{type(error).__name__}: {error}")


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
