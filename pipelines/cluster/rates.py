"""What a task costs in calls, seconds and bytes: measured in an earlier run, or what was measured here."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.cluster.files import Folder, shards
from pipelines.cluster.journal import read_log
from pipelines.stages.write import TASKS
from zdg_jax.errors import UserError

PAPER_STEPS = 600
BYTES = {"grasps": "grasp_bytes", "tasks": "task_bytes", "images": "picture_bytes"}


@dataclass(frozen=True)
class Rates:
    """Means. `source` says where they come from; docs/performance.md has the runs behind the defaults.

    Attributes:
      calls: requests a task; input_tokens, output_tokens: a request.
      prepare_s: processor seconds an object, first time.
      reason_s: processor seconds a task, drawing and lifting.
      call_s: seconds that a request takes.
      cpu_grasps: grasps a second and processor, 600 steps; gpu_grasps: a second and GPU.
      simulate_s: processor seconds a simulated grasp; close_s: one that is closed on the object and tested by
        `six_force` too.
      grasp_bytes, task_bytes: a written row; picture_bytes: a task; mesh_bytes: an object.
    """

    source: str
    calls: float = 6.7
    input_tokens: float = 2900.0
    output_tokens: float = 150.0
    prepare_s: float = 15.0
    reason_s: float = 3.0
    call_s: float = 5.0
    cpu_grasps: float = 10.0
    gpu_grasps: float = 7400.0
    simulate_s: float = 0.03
    close_s: float = 0.9
    grasp_bytes: float = 900.0
    task_bytes: float = 4000.0
    picture_bytes: float = 700_000.0
    mesh_bytes: float = 1_000_000.0


DEFAULTS = Rates("defaults (2 cores of an EPYC; one H100; tokens estimated from prompts and pictures)")


def measured(uri: str) -> Rates:
    """Rates of a finished or half finished run; what it did not measure stays as in `DEFAULTS`.

    Args:
      uri: its --out.

    Raises:
      UserError: no run there.
    """
    folder = Folder(uri, make=False)
    try:
        log = read_log(folder)
        names = shards(folder, TASKS)
    except OSError:
        log, names = [], []
    if not log or not names:
        raise UserError(f"--rates {uri}", "the --out of an earlier run with a finished shard", "check it")
    columns = ["refined", "simulated", "calls_sent", "input_tokens", "output_tokens", "kept", "failed"]
    rows: list[dict[str, Any]] = []
    for name in names:
        try:
            with folder.open(f"{TASKS}/{name}") as file:
                rows += pq.read_table(file, columns=columns).to_pylist()
        except (pa.ArrowException, ValueError, KeyError) as error:
            got = f"{uri}/{TASKS}/{name}, unreadable ({' '.join(str(error).split())[:120]})"
            raise UserError(
                got, "a shard that the run wrote", "go on with the run: it makes it again"
            ) from None
    found = {**_tokens(rows), **_seconds(log, rows), **_sizes(folder, rows)}
    known = {field.name for field in fields(Rates)}
    return replace(DEFAULTS, source=uri, **{k: v for k, v in found.items() if k in known})


def _tokens(rows: list[dict[str, Any]]) -> dict[str, float]:
    asked = [row for row in rows if row["calls_sent"]]
    if not asked:
        return {}
    calls = sum(row["calls_sent"] for row in asked)
    found = {"calls": calls / len(asked)}
    for name in ("input_tokens", "output_tokens"):
        told = [row for row in asked if row[name] is not None]
        if told:
            found[name] = sum(row[name] for row in told) / sum(row["calls_sent"] for row in told)
    return found


def _seconds(log: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, float]:
    """From processor time, start-up and compilation left out; refinement on GPUs from its spans."""
    start = next((record for record in log if record["event"] == "start"), {})
    spans: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in log:
        if record["event"] == "span" and "fault" not in record and "process_s" in record:
            spans[record["stage"]].append(record)
    found: dict[str, float] = {}
    for stage, name in (("prepare", "prepare_s"), ("reason", "reason_s")):
        tasks, seconds = _work(spans[stage])
        if tasks:
            found[name] = seconds / tasks
    tasks, seconds = _work(spans["simulate"])
    simulated = sum(row["simulated"] for row in rows) / max(1, sum(row["simulated"] > 0 for row in rows))
    if tasks and simulated:
        closed = start.get("select") == "hold"
        found["close_s" if closed else "simulate_s"] = seconds / tasks / simulated
    tasks, seconds = _work(spans["refine"])
    share = (start.get("steps") or PAPER_STEPS) / PAPER_STEPS
    grasps = tasks * (start.get("num") or 0)
    if grasps and not start.get("resources", {}).get("GPU"):
        found["cpu_grasps"] = grasps / seconds * share
    elif grasps:
        warm = [span for pid in {s["pid"] for s in spans["refine"]} for span in _of(spans["refine"], pid)[1:]]
        lasted = sum(s["end"] - s["begin"] for s in warm)
        if lasted > 0:
            found["gpu_grasps"] = grasps / lasted * share
    return found


def _work(spans: list[dict[str, Any]]) -> tuple[int, float]:
    """(tasks, processor seconds) of all processes, each from the end of its first span on."""
    tasks, seconds = 0, 0.0
    for pid in {span["pid"] for span in spans}:
        mine = _of(spans, pid)
        tasks += sum(len(span["tasks"]) for span in mine[1:])
        seconds += mine[-1]["process_s"] - mine[0]["process_s"]
    return (tasks, seconds) if seconds > 0 else (0, 0.0)


def _of(spans: list[dict[str, Any]], pid: int) -> list[dict[str, Any]]:
    return [span for span in spans if span["pid"] == pid]


def _sizes(folder: Folder, rows: list[dict[str, Any]]) -> dict[str, float]:
    written = max(1, sum(row["kept"] + row["failed"] for row in rows))
    per = {"grasps": written, "tasks": len(rows), "images": len(rows)}
    found = {name: folder.size(below) / per[below] for below, name in BYTES.items()}
    meshes = folder.names("meshes")
    if meshes:
        found["mesh_bytes"] = folder.size("meshes") / len(meshes)
    return found
