"""What every worker of a benchmark is and needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipelines.benchmark.group import Bench, Group
from pipelines.benchmark.unit import UnitOptions

Units = list[dict[str, Any]]


class WorkerDied(Exception):
    """The process that ran a group is gone; the worker has another one."""


@runtime_checkable
class Worker(Protocol):
    """Runs one group at a time. Raises `WorkerDied` if its process died of it."""

    def run(self, group: Group) -> Units: ...
    def close(self) -> None: ...


def make_bench(options: UnitOptions, out: Path, threads: int | None = None) -> Bench:
    """What a worker does its groups with."""
    from pipelines.runtime import start_jax
    from zdg_jax import api
    from zdg_jax.hands import load_hand

    start_jax()
    return Bench(options, load_hand(options.hand), api.make_reasoner(options.asked), out, threads)


def environment(workers: int) -> dict[str, str]:
    """Of a worker among several on one machine: one core, and a GPU's memory as it needs it."""
    given = {"OMP_NUM_THREADS": "1", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return given if workers > 1 else {}
