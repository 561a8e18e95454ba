"""`python -m pipelines.plan`: what a run of `pipelines.generate` would take; nothing is asked or written."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from pipelines.options import Concurrency, PrintJson, Settings, TaskFile
from pipelines.runtime import program

if TYPE_CHECKING:
    from pipelines.cluster.rates import Rates
    from pipelines.cluster.tasks import TaskSpec


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
    from pipelines.cluster.rates import DEFAULTS, PAPER_STEPS, measured
    from pipelines.cluster.tasks import read_tasks

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
    waits = calls * rates.call_s / (options.concurrency or 256)
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

    from pipelines.cluster.files import Folder, shards
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
    hours = ", ".join(f"{name} {h:,.2f}" for name, h in report["cpu_hours"].items())
    sizes = ", ".join(f"{name} {size / 1e9:,.2f}" for name, size in disk.items())
    before = report["finished_before"]
    lines = [
        ("tasks", f"{report['tasks']:,}" + (f" ({before:,} more are finished)" if before else "")),
        ("objects", f"{report['objects']:,}"),
        ("grasps", f"{report['grasps']:,} refined, {report['simulated']:,} simulated"),
        ("model calls", f"{report['calls']:,}"),
        ("tokens", f"{report['input_tokens']:,} in, {report['output_tokens']:,} out"),
        ("cost", price),
        ("GPU hours", f"{report['gpu_hours']:,.2f}"),
        ("CPU hours", f"{sum(report['cpu_hours'].values()):,.2f} ({hours})"),
        ("duration", f"{report['hours']:,.2f} h, if all stages overlap"),
        ("disk", f"{sum(disk.values()) / 1e9:,.2f} GB ({sizes})"),
        ("rates", report["rates"]["source"]),
    ]
    return "\n".join(f"{name:<12} {value}" for name, value in lines)


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
