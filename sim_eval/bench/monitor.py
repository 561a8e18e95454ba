"""How often and how long XLA compiled, and on what."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax

from sim_eval.bench.processor import cpu_name
from zdg_jax.refine.batching import Device

_BUILT = "/jax/core/compile/backend_compile_duration"
_PACKAGES = ("zdg-jax", "jax", "jaxlib", "numpy")


class Compilations:
    """Counts compilations while its block runs; one read from the cache on disk counts too.

    >>> with Compilations() as seen:
    ...     jax.jit(lambda x: x + 1)(2.0)
    >>> seen.count, seen.seconds
    """

    def __init__(self) -> None:
        self.built: list[float] = []  # when each ended
        self._spans: list[tuple[float, float]] = []

    def __enter__(self) -> Compilations:
        jax.monitoring.register_event_duration_secs_listener(self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._heard)

    @property
    def count(self) -> int:
        """Compilations so far."""
        return len(self.built)

    @property
    def seconds(self) -> float:
        """Time in which anything was traced, lowered or compiled; what overlaps counts once."""
        total, until = 0.0, float("-inf")
        for begin, end in sorted(self._spans):
            total += max(0.0, end - max(begin, until))
            until = max(until, end)
        return total

    def _heard(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        if not event.startswith("/jax/core/compile/"):
            return
        now = time.perf_counter()
        self._spans.append((now - duration_secs, now))
        if event == _BUILT:
            self.built.append(now)


def machine(devices: Sequence[Device]) -> dict[str, Any]:
    """What ran: devices, processor, versions, date; ready for JSON."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # run from a checkout
            versions[name] = importlib.metadata.version(name)
    return {
        "platform": devices[0].platform,
        "device_kind": devices[0].device_kind,
        "devices": len(devices),
        "cpu": cpu_name(),
        "cpu_count": os.cpu_count(),
        "load": [round(x, 2) for x in os.getloadavg()],
        "system": platform.system(),
        "versions": versions,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def peak_memory(devices: Sequence[Device]) -> dict[str, int | None]:
    """Most bytes in use at any time of the process so far: on one device, if it tells, and on the host."""
    told = [(d.memory_stats() or {}).get("peak_bytes_in_use") for d in devices]
    known = [x for x in told if x is not None]
    unit = 1 if sys.platform == "darwin" else 1024
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"peak_device_bytes": max(known, default=None), "peak_host_bytes": host}
