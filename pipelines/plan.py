"""`python -m pipelines.plan`: what a run of `pipelines.generate` would take; nothing is asked or written."""

from __future__ import annotations

import json as json_
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from pipelines.options import BatchApi, Concurrency, PrintJson, Settings, TaskFile
from pipelines.runtime import program
from zdg_jax.errors import UserError

if TYPE_CHECKING:
    from pipelines.drivers.files import Folder
    from pipelines.drivers.tasks import TaskSpec


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
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.drivers.files import Folder, shards
    from pipelines.drivers.journal import read_log
    from pipelines.stages.write import TASKS

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


@dataclass(frozen=True)
class Plan(Settings):
    """Predict calls, cost, hours and disk of a run from measured rates; takes the run's own options."""

    tasks: TaskFile
    out: Annotated[
        str | None, arg(metavar="DIR_OR_URI", help="Tasks that are finished there are left out.")
    ] = None
    cpus: Annotated[int, arg(help="Processors of the cluster.")] = 16
    gpus: Annotated[int, arg(help="GPUs of the cluster; 0: refinement on processors.")] = 1
    concurrency: Concurrency = 256
    batch_api: BatchApi = False
    rates: Annotated[
        str | None, arg(metavar="DIR_OR_URI", help="The --out of an earlier run, to take its rates.")
    ] = None
    json: PrintJson = False

    def run(self) -> int:
        report = predict(self)
        print(json_.dumps(report, indent=2) if self.json else table(report))
        return 0


def predict(options: Plan) -> dict[str, Any]:
    """The prediction, ready for JSON; a cost that can't be known is None.

    Raises:
      UserError: what the table or an option lacks.
    """
    from pipelines.drivers.tasks import read_tasks

    options.check()
    known = read_tasks(options.tasks, options.seed).tasks
    done = finished(options.out) if options.out is not None else set()
    tasks = [task for task in known if task.task_id not in done]
    rates = measured(options.rates) if options.rates is not None else DEFAULTS
    grasps, simulated = _counts(options, tasks)
    objects = len({task.object_key for task in tasks})
    paid = _paid_share(options)
    calls = round(len(tasks) * rates.calls * paid)
    work, closed = PAPER_STEPS / options.steps, options.select == "hold"
    refine_gpu = grasps / (rates.gpu_grasps * work) if options.gpus else 0.0
    refine_cpu = 0.0 if options.gpus else grasps / (rates.cpu_grasps * work)
    cpu_s = {
        "prepare": objects * rates.prepare_s,
        "reason": len(tasks) * rates.reason_s,
        "refine": refine_cpu,
        "simulate": simulated * (rates.close_s if closed else rates.simulate_s),
    }
    stages = {name: seconds / options.cpus for name, seconds in cpu_s.items()}
    # How long a batch job takes nobody says: a day at most, for each of a task's questions.
    waits = 0.0 if options.batch_api else calls * rates.call_s / (options.concurrency or 256)
    wall = max(sum(stages.values()), waits, refine_gpu / options.gpus if options.gpus else 0.0)
    rows = len(tasks) * min(options.keep, options.num)
    return {
        "tasks": len(tasks),
        "finished_before": len(known) - len(tasks),
        "objects": objects,
        "grasps": grasps,
        "simulated": simulated,
        "calls": calls,
        "input_tokens": round(calls * rates.input_tokens),
        "output_tokens": round(calls * rates.output_tokens),
        "cost_usd": _cost(options, calls, rates),
        "gpu_hours": refine_gpu / 3600,
        "cpu_hours": {name: seconds / 3600 for name, seconds in cpu_s.items()},
        "hours": wall / 3600,
        "batch_api": options.batch_api,
        "disk_bytes": {
            "grasps": round(rows * rates.grasp_bytes),
            "tasks": round(len(tasks) * rates.task_bytes),
            "images": round(len(tasks) * rates.picture_bytes),
            "meshes": round(objects * rates.mesh_bytes),
        },
        "rates": asdict(rates),
    }


def finished(uri: str) -> set[str]:
    """Ids of the tasks that are written in a folder; none if it isn't there."""
    import pyarrow.parquet as pq

    from pipelines.drivers.files import Folder, shards
    from pipelines.stages.write import TASKS

    folder = Folder(uri, make=False)
    ids: set[str] = set()
    for name in shards(folder, TASKS):
        with folder.open(f"{TASKS}/{name}") as file:
            ids.update(pq.read_table(file, columns=["task_id"])["task_id"].to_pylist())
    return ids


def table(report: dict[str, Any]) -> str:
    """For people."""
    cost, disk = report["cost_usd"], report["disk_bytes"]
    price = "unknown (no price in the tables)" if cost is None else f"${cost:,.2f}"
    waits = ", without the days that batch jobs may take" if report["batch_api"] else ""
    hours = ", ".join(f"{name} {_span(h)}" for name, h in report["cpu_hours"].items())
    sizes = ", ".join(f"{name} {size / 1e9:,.2f}" for name, size in disk.items())
    before = report["finished_before"]
    lines = [
        ("tasks", f"{report['tasks']:,}" + (f" ({before:,} more are finished)" if before else "")),
        ("objects", f"{report['objects']:,}"),
        ("grasps", f"{report['grasps']:,} refined, {report['simulated']:,} simulated"),
        ("model calls", f"{report['calls']:,}"),
        ("tokens", f"{report['input_tokens']:,} in, {report['output_tokens']:,} out"),
        ("cost", price),
        ("GPU time", _span(report["gpu_hours"])),
        ("CPU time", f"{_span(sum(report['cpu_hours'].values()))} ({hours})"),
        ("duration", f"{_span(report['hours'])}, if all stages overlap{waits}"),
        ("besides", "a few minutes to start and, where nothing is kept yet, to compile"),
        ("disk", f"{sum(disk.values()) / 1e9:,.2f} GB ({sizes})"),
        ("rates", report["rates"]["source"]),
    ]
    return "\n".join(f"{name:<12} {value}" for name, value in lines)


def _span(hours: float) -> str:
    """Hours for people: in minutes or seconds where they would be 0.00."""
    for unit, seconds in (("h", 3600), ("min", 60)):
        if hours * 3600 >= seconds:
            return f"{hours * 3600 / seconds:,.1f} {unit}"
    return f"{hours * 3600:.0f} s"


def _counts(options: Plan, tasks: Sequence[TaskSpec]) -> tuple[int, int]:
    from sim_eval.select.select import CLOSED, SHORTLIST

    each = CLOSED if options.select == "hold" else SHORTLIST
    listed = min(options.num, each * min(options.keep, options.num))
    return len(tasks) * options.num, len(tasks) * listed


def _reasoners(options: Plan) -> list[str]:
    """Who answers each stage; the point stage is asked now and then, and counts as one all the same."""
    import prompts
    from zdg_jax.reasoning.models.settings import parse_routes

    routes = parse_routes(options.route)
    return [routes.get(str(stage), options.reasoner) for stage in prompts.STAGES]


def _paid_share(options: Plan) -> float:
    from zdg_jax.reasoning.models.factory import is_remote

    names = _reasoners(options)
    return sum(map(is_remote, names)) / len(names)


def _cost(options: Plan, calls: int, rates: Rates) -> float | None:
    from zdg_jax.reasoning.models.factory import is_remote
    from zdg_jax.reasoning.models.settings import tables

    names = [name for name in _reasoners(options) if is_remote(name)]
    total = 0.0
    for name in names:
        kind, _, model = name.partition(":")
        price = tables().catalogue.price(kind.split("-")[0], model)
        if price is not None and options.batch_api:
            price = price.of_batches()
        if price is None:
            return None
        each = rates.input_tokens * price.input + rates.output_tokens * price.output
        total += calls / len(names) * each / 1e6
    return total


def main(argv: Sequence[str] | None = None) -> int:
    """Returns: 0 done, 2 the user must mend something."""
    return program("pipelines.plan", Plan, argv)


if __name__ == "__main__":
    sys.exit(main())
