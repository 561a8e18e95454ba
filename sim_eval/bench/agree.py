"""MJX against C MuJoCo on the same grasps: verdicts, displacements, and which grasps disagree."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sim_eval import backends
from sim_eval.bench.simset import GraspSet
from sim_eval.protocols import gravity, gravity_hold, six_force
from sim_eval.simobject import SimObject

#: Sim.Suc also asks for a depth of at most so many centimetres; it is the same for all backends.
_DEPTH_CM = 1.0
#: Metres: what is listed besides other verdicts.
_FAR = 0.002


def outcome(
    grasps: GraspSet, objects: tuple[SimObject, ...], protocol: str, backend: str, limit: int | None = None
) -> dict[str, Any]:
    """One protocol on one backend: success, displacement in metres, overlap at release, seconds, status."""
    simulator = backends.backend(backend)
    rows = slice(0, limit)
    pose, joints, index = grasps.hand_pose[rows], grasps.joints[rows], grasps.index[rows]
    begin, cpu = time.perf_counter(), time.process_time()
    if protocol == "gravity":
        r = gravity.run(grasps.hand, objects, index, pose, joints, simulator)
        suc, move, depth = (
            r.contact_every_step & (grasps.p_dep_cm[rows] <= _DEPTH_CM),
            r.displacement_m,
            r.sim_depth_m,
        )
    else:
        test = {"gravity_hold": gravity_hold, "six_force": six_force}[protocol]
        pre, squeeze = (x[rows] for x in grasps.closing())
        r = test.run(grasps.hand, objects, index, pose, pre, joints, squeeze, simulator)
        suc, move, depth = r.success, r.move_m, r.start_depth_m
    return {
        "success": suc, "move": move, "depth": depth, "status": np.array(r.status),
        "seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - cpu,
    }  # fmt: skip


def compare(a: dict[str, Any], b: dict[str, Any], names: Sequence[str], index: np.ndarray) -> dict[str, Any]:
    """How two outcomes differ; ready for JSON.

    Returns:
      agree: share of equal verdicts; median_mm, p95_mm, max_mm of |displacement difference|; both and either
      means; `rows`: the grasps with another verdict or more than 2 mm apart.
    """
    both = (a["status"] == "ok") & (b["status"] == "ok")
    same_status = a["status"] == b["status"]
    difference = np.abs(a["move"] - b["move"])[both]
    odd = np.flatnonzero(
        (a["success"] != b["success"]) | ~same_status | (both & (np.abs(a["move"] - b["move"]) > _FAR))
    )
    ok_a, ok_b = a["success"][both].astype(float), b["success"][both].astype(float)
    return {
        "grasps": len(index),
        "objects": len(set(index.tolist())),
        "agree": float((a["success"] == b["success"]).mean()),
        "same_status": float(same_status.mean()),
        "success": [float(ok_a.mean()), float(ok_b.mean())],
        "mean_cm": [float(100 * a["move"][both].mean()), float(100 * b["move"][both].mean())],
        "median_mm": float(1e3 * np.median(difference)),
        "p95_mm": float(1e3 * np.percentile(difference, 95)),
        "max_mm": float(1e3 * difference.max()),
        "correlation": float(np.corrcoef(a["move"][both], b["move"][both])[0, 1]) if both.sum() > 2 else None,
        "seconds": [a["seconds"], b["seconds"]],
        "cpu_seconds": [a["cpu_seconds"], b["cpu_seconds"]],
        "rows": [
            {
                "row": int(i), "object": names[index[i]],
                "success": [bool(a["success"][i]), bool(b["success"][i])],
                "move_mm": [round(1e3 * float(x["move"][i]), 3) for x in (a, b)],
                "depth_mm": [round(1e3 * float(x["depth"][i]), 3) for x in (a, b)],
                "status": [str(x["status"][i]) for x in (a, b)],
            }
            for i in odd
        ],
    }  # fmt: skip


def bench_agree(
    grasps: GraspSet,
    protocols: Sequence[str] = ("gravity",),
    finer: tuple[SimObject, ...] | None = None,
    limit: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Each protocol on MJX and on C with the same pieces; on C with finer ones as well, if they are given.

    Args:
      grasps: from `simset`.
      protocols: names.
      finer: the same objects, cut as C MuJoCo's default has it.
      limit: grasps, from the first.
      say: told what runs.

    Returns:
      For each protocol: "mjx_c" (same pieces), and with `finer` "mjx_finer" and "c_finer"; see `compare`.
    """
    report: dict[str, Any] = {}
    index = grasps.index[:limit]
    for protocol in protocols:
        say(f"{protocol}: C")
        c = outcome(grasps, grasps.objects, protocol, "c", limit)
        say(f"{protocol}: MJX")
        mjx = outcome(grasps, grasps.objects, protocol, "mjx", limit)
        report[protocol] = {"mjx_c": compare(mjx, c, grasps.names, index)}
        if finer is not None:
            say(f"{protocol}: C, finer pieces")
            fine = outcome(grasps, finer, protocol, "c", limit)
            report[protocol] |= {
                "mjx_finer": compare(mjx, fine, grasps.names, index),
                "c_finer": compare(c, fine, grasps.names, index),
            }
    return report
