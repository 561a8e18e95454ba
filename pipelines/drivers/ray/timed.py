"""Work with its time and place; a stumble as a value."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pipelines.stages.messages import StageFault
from zdg_jax.errors import UserError, machine_error
from zdg_jax.status import Status

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
    begin = time.time()
    try:
        value: T | StageFault = work()
    except Exception as error:
        value = fault(stage, error)
    return ended(value, begin)


def ended(value: T | StageFault, begin: float, **more: Any) -> Timed[T]:
    """What began then and ends now, here."""
    more = {"process_s": round(time.process_time(), 2), **more}
    return Timed(value, begin, time.time(), os.getpid(), more)


def fault(stage: str, error: Exception) -> StageFault:
    """An exception as a status; one that the user can't mend is printed into the worker's own log.

    A fault of the machine is no verdict on the task: its status ends the run.
    """
    if (machine := machine_error(error)) is not None:
        return StageFault(Status.MACHINE_FAULT, str(machine))
    if isinstance(error, UserError):
        return StageFault("bad_object", str(error))
    traceback.print_exception(error)
    return StageFault(f"{stage}_error", f"{type(error).__name__}: {error}")
