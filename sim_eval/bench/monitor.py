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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zdg_jax.hands.model import HandModel
from zdg_jax.refine.batching import Device
from zdg_jax.refine.samples import SAMPLES
from zdg_jax.refine.variables import layout

# What a device can do at most, measured, and what one step of refinement asks of it, counted.
#: Bytes that one look-up of phi and one of both region distances read: entry, row; eight words.
PHI_BYTES, REGION_BYTES = 4 + 16, 32
#: float32 operations, an fma as two, roots and comparisons as one; counted from the formulas in
#: `objects.sdf.query` and `refine.measure`. A skin vertex: placing 18, cell 27, three interpolations 40 each,
#: energies and their slopes 60, sums by link 30.
VERTEX_OPS, PAD_OPS, SAMPLE_OPS = 255, 8 * 70 + 60, 60
#: One sphere against one object sample; one pair of E_spen; one hand point against a sample and both regions.
REACH_PAIR_OPS, OVERLAP_PAIR_OPS, SAMPLE_PAIR_OPS = 14, 24, 19
#: Kinematics and J^T a link, Adam a variable.
LINK_OPS, VARIABLE_OPS = 300, 15
_SIDE, _CALLS = 1536, 5


def ceilings(device: Device) -> dict[str, float]:
    """Copy bandwidth (bytes read plus written a second) and fp32 rate (operations a second) of one device."""
    on_cpu = device.platform == "cpu"
    x = jax.device_put(np.ones(2**25 if on_cpu else 2**28, np.float32), device)
    # many passes a call: the first touch of a fresh output would cost a CPU more than the copy
    passes = 4
    copy = _best(jax.jit(lambda x: jax.lax.fori_loop(0, passes, lambda _, x: x + 1.0, x)), x) / passes
    rounds, wide = (64, 2**19) if on_cpu else (1024, 2**25)
    y = jax.device_put(np.linspace(0.0, 1.0, wide, dtype=np.float32), device)

    def multiply(y: jax.Array) -> jax.Array:
        # unrolled: one pass over the array, all of it in registers
        for _ in range(rounds):
            y = y * 0.999 + 0.001
        return y

    fp32 = 2.0 * rounds * wide / _best(jax.jit(multiply), y)
    if on_cpu:  # the chain waits for each result there, a matrix product does not
        a = jax.device_put(np.ones((_SIDE, _SIDE), np.float32), device)
        fp32 = max(fp32, 2.0 * _SIDE**3 / _best(jax.jit(jnp.matmul), a, a))
    return {"copy_bytes_per_s": 8.0 * x.size / copy, "fp32_ops_per_s": fp32}


def lookup_work(hand: HandModel) -> dict[str, float]:
    """Bytes that look-ups read and operations of one grasp and step with look-ups; see the constants.

    Sphere pairs count in full, though the kernel leaves out groups that are far apart.
    """
    skin, spheres, pads = layout(hand).counts
    few = len(layout(hand).min_distance)
    return {
        "bytes": float(skin * (PHI_BYTES + REGION_BYTES) + 7 * pads * PHI_BYTES),
        "operations": float(
            skin * VERTEX_OPS + pads * PAD_OPS + SAMPLES * (spheres * REACH_PAIR_OPS + SAMPLE_OPS)
            + few**2 * OVERLAP_PAIR_OPS + _shared(hand)
        ),
    }  # fmt: skip


def pairwise_work(hand: HandModel, samples: int) -> dict[str, float]:
    """The same with all samples: `bytes` are those of the samples, once a grasp."""
    skin, spheres, pads = layout(hand).counts
    few = len(layout(hand).min_distance)
    return {
        "bytes": float(samples * (3 * 4 + 2)),
        "operations": float(
            (skin + pads) * samples * SAMPLE_PAIR_OPS + SAMPLES * (spheres * REACH_PAIR_OPS + SAMPLE_OPS)
            + few**2 * OVERLAP_PAIR_OPS + _shared(hand)
        ),
    }  # fmt: skip


def roofline(work: dict[str, float], grasp_steps_per_s: float, most: dict[str, float]) -> dict[str, Any]:
    """Shares of the ceilings that so many grasp-steps a second use.

    Args:
      work: from `lookup_work` or `pairwise_work`.
      grasp_steps_per_s: on one device.
      most: from `ceilings`.
    """
    read, done = (work[k] * grasp_steps_per_s for k in ("bytes", "operations"))
    return {
        "bytes_per_grasp_step": work["bytes"],
        "operations_per_grasp_step": work["operations"],
        "share_of_copy_bandwidth": read / most["copy_bytes_per_s"],
        "share_of_fp32": done / most["fp32_ops_per_s"],
    }


def _shared(hand: HandModel) -> float:
    return float(len(hand.link_names) * LINK_OPS + (7 + len(hand.active_names)) * VARIABLE_OPS)


def _best(function: Callable[..., jax.Array], *args: jax.Array) -> float:
    """Least seconds of a few calls."""
    jax.block_until_ready(function(*args))
    seconds = []
    for _ in range(_CALLS):
        begin = time.perf_counter()
        jax.block_until_ready(function(*args))
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


# The processor: its name, and how busy it is.
def cpu_name() -> str:
    """As the system tells it, or else the kind of machine."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def load_average() -> float | None:
    """Mean number of running processes over the last minute, where the system tells."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


_BUILT = "/jax/core/compile/backend_compile_duration"
_PACKAGES = ("zdg-jax", "jax", "jaxlib", "numpy", "mujoco")


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
