"""What a device can do at most, measured, and what one step of refinement asks of it, counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zdg_jax.hands.model import HandModel
from zdg_jax.refine.batching import Device
from zdg_jax.refine.hand_points import layout
from zdg_jax.refine.problem import SAMPLES

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
