"""How fast grasps are simulated, by backend, protocol and batch size, and how well MJX agrees with C."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import mujoco
import numpy as np

from sim_eval import backends
from sim_eval.bench.monitor import Compilations, machine, peak_memory
from sim_eval.bench.tasks import GraspSet
from sim_eval.protocols import PROTOCOLS, gravity, gravity_hold, six_force
from sim_eval.simobject import SimObject
from zdg_jax.errors import UserError

# MJX against C MuJoCo on the same grasps: verdicts, displacements, and which grasps disagree.
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
      grasps: of `tasks`.
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


_TESTS = {"gravity_hold": gravity_hold, "six_force": six_force}
#: Batch sizes where nothing else is asked for.
_ON_CPU, _ELSEWHERE = (64,), (1024, 8192, 32768)


@dataclass(frozen=True)
class SimBench:
    """What to measure.

    Attributes:
      backends: names; warp is left out with a note where it can't run.
      protocols: names.
      batches: grasps in one call; by device if empty.
      repeats: timed runs after the first; the fastest counts.
      compared: grasps that are also simulated in C, to say how well they agree; 0 for none.
      rows: grasps of a chunk on one device; by its memory if None.
    """

    backends: tuple[str, ...] = ("mjx", "c")
    protocols: tuple[str, ...] = ("gravity", "six_force")
    batches: tuple[int, ...] = ()
    repeats: int = 2
    compared: int = 128
    rows: int | None = None


def bench_sim(
    options: SimBench, grasps: GraspSet, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Time every backend on the same grasps of many objects in one batch.

    Args:
      options: what to measure.
      grasps: of `tasks`; repeated until a batch is full.
      say: told what runs.

    Returns:
      Ready for JSON: `machine`, `set`, `runs` (one a backend, protocol and batch), `agreement`, `notes`.

    Raises:
      UserError: an unknown backend or protocol, a batch below 1, or no backend left.
    """
    names, notes = _usable(options)
    batches = options.batches or (_ON_CPU if jax.default_backend() == "cpu" else _ELSEWHERE)
    if min(batches) < 1:
        raise UserError(f"batch {min(batches)}", "at least 1", "change --batches")
    rows = None if options.rows is None else (options.rows,)
    runs = []
    for name in names:
        simulator = backends.backend(name, rows_a_chunk=rows)
        for protocol in options.protocols:
            for batch in batches:
                say(f"{name}, {protocol}, {batch} grasps")
                runs.append(_run(name, simulator, protocol, grasps.repeated(batch), options.repeats))
    agreement = {}
    if options.compared and "mjx" in names and "c" in names:
        part = grasps.spread(options.compared)
        for protocol in options.protocols:
            say(f"{protocol}: agreement of {len(part.index)} grasps")
            a, b = (outcome(part, part.objects, protocol, name) for name in ("mjx", "c"))
            agreement[protocol] = compare(a, b, part.names, part.index)
    return {
        "machine": machine(jax.local_devices()) | {"mujoco": mujoco.__version__},
        "set": {
            "hand": grasps.hand.name, "objects": len(grasps.objects), "grasps": len(grasps.index),
            "pieces": [len(o.pieces) for o in grasps.objects],
        },
        "runs": runs,
        "agreement": agreement,
        "peak": peak_memory(jax.local_devices()),
        "notes": notes,
    }  # fmt: skip


def _usable(options: SimBench) -> tuple[list[str], list[str]]:
    for protocol in options.protocols:
        if protocol not in PROTOCOLS:
            raise UserError(f"protocol {protocol!r}", f"some of {', '.join(PROTOCOLS)}", "change --protocols")
    names, notes = [], []
    for name in options.backends:
        try:
            names.append(backends.resolve(name))
        except UserError as error:
            if name != "warp":
                raise
            notes.append(f"left out: {error}")
    if not names:
        raise UserError(
            "no backend that runs here", f"some of {', '.join(backends.BACKENDS)}", "change --backends"
        )
    return list(dict.fromkeys(names)), notes


def _run(
    name: str, simulator: backends.Backend, protocol: str, grasps: GraspSet, repeats: int
) -> dict[str, Any]:
    pre, squeeze = grasps.closing()

    def once() -> tuple[Any, int]:
        at = grasps.hand_pose, grasps.joints
        if protocol == "gravity":
            r = gravity.run(grasps.hand, grasps.objects, grasps.index, *at, simulator)
            return r, len(r.status) * gravity.STEPS
        held = _TESTS[protocol].run(
            grasps.hand, grasps.objects, grasps.index, at[0], pre, at[1], squeeze, simulator
        )
        return held, int(held.steps.sum())

    with Compilations() as built:
        begin = time.perf_counter()
        result, steps = once()
        first = time.perf_counter() - begin
        compile_s, before = built.seconds, built.count
        seconds, cpu = [], []
        for _ in range(repeats):
            begin, used = time.perf_counter(), time.process_time()
            once()
            seconds.append(time.perf_counter() - begin)
            cpu.append(time.process_time() - used)
        again = built.count - before
    best = int(np.argmin(seconds))
    n = len(grasps.index)
    return {
        "backend": name,
        "protocol": protocol,
        "batch": n,
        "objects": len(np.unique(grasps.index)),
        "first_s": first,
        "compile_s": compile_s,
        "run_s": seconds[best],
        "run_cpu_s": cpu[best],
        "grasps_per_s": n / seconds[best],
        "steps_per_s": steps / seconds[best],
        "steps_a_grasp": steps / n,
        "ok": float(np.mean([s == "ok" for s in result.status])),
        "success": float(np.mean(result.contact_every_step if protocol == "gravity" else result.success)),
        "compilations_after_first_run": again,
    }


def show_sim(report: dict[str, Any]) -> str:
    """`bench_sim`'s report for a terminal."""
    from sim_eval.tables import made_line, table_text

    used = report["set"]
    heads = ["backend", "protocol", "grasps", "objects", "compile (s)", "run (s)", "grasps/s", "steps/s",
             "steps a grasp", "success (%)", "recompiled"]  # fmt: skip
    rows = [
        [r["backend"], r["protocol"], str(r["batch"]), str(r["objects"]), f"{r['compile_s']:.1f}",
         f"{r['run_s']:.2f}", f"{r['grasps_per_s']:.4g}", f"{r['steps_per_s']:.4g}",
         f"{r['steps_a_grasp']:.0f}", f"{100 * r['success']:.0f}", str(r["compilations_after_first_run"])]
        for r in report["runs"]
    ]  # fmt: skip
    lines = [
        made_line(report["machine"]) + f", mujoco {report['machine']['mujoco']}",
        f"{used['hand']}, {used['objects']} objects, {used['grasps']} different grasps",
        table_text(heads, rows),
    ]
    return "\n".join([*lines, *agreement_lines(report["agreement"]), *report["notes"]])


def agreement_lines(agreement: dict[str, Any]) -> Sequence[str]:
    """One line a protocol."""
    return [
        f"{name}: MJX and C agree on {100 * a['agree']:.1f} % of {a['grasps']} verdicts "
        f"(success {100 * a['success'][0]:.0f} and {100 * a['success'][1]:.0f} %), displacement differs by "
        f"{a['median_mm']:.3f} mm (median), {a['p95_mm']:.2f} mm (95 %), {a['max_mm']:.1f} mm at most"
        for name, a in agreement.items()
    ]
