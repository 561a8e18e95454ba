"""`python -m pipelines.generate`: a table of tasks to a dataset, on this machine or a Ray cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, arg

from pipelines.arguments import Ablate, Hand, MaxUsd, Optimizer, ReasonerName, Route, Select, View
from pipelines.runtime import program
from zdg_jax.errors import printable


@dataclass(frozen=True)
class Generate:
    """Reason, refine, simulate and write every task of a table; the same command goes on after a stop."""

    tasks: Annotated[
        str,
        arg(metavar="FILE", help="Parquet, CSV or JSONL with columns object, task; see docs/cluster.md."),
    ]
    out: Annotated[str, arg(metavar="DIR_OR_URI", help="Folder, s3://..., gs://..., for the dataset.")]
    hand: Hand = "human16"
    reasoner: ReasonerName = "offline"
    route: Route = ()
    num: Annotated[int, arg(help="Initial grasps to refine, a task.")] = 64
    keep: Annotated[int, arg(help="Grasps of a task to keep; three times as many are simulated.")] = 8
    seed: Annotated[int, arg(help="Of tasks without one of their own.")] = 0
    steps: Annotated[int, arg(help="Steps of refinement; the paper's are 600.")] = 600
    ablate: Ablate = None
    optimizer: Optimizer = "adam"
    view: View = "ask"
    select: Select = "gravity"
    max_usd: MaxUsd = None
    address: Annotated[
        str | None, arg(metavar="HOST:PORT", help="Ray cluster; RAY_ADDRESS, or a local one, by default.")
    ] = None
    in_flight: Annotated[int, arg(help="Tasks in reasoning at a time and process, at most.")] = 256
    concurrency: Annotated[
        int | None, arg(metavar="N", help="Requests in flight, of the whole cluster; see docs/providers.md.")
    ] = None
    batch: Annotated[
        int | None, arg(metavar="GRASPS", help="Grasps a refinement call; by device 128 or 16384.")
    ] = None
    shard: Annotated[int, arg(help="Tasks a file at most; what is written is not done again.")] = 64
    reasoners: Annotated[int | None, arg(help="Reasoning processes; a quarter of the processors.")] = None
    refiners: Annotated[int | None, arg(help="Refinement processes; one a GPU, or one.")] = None
    simulators: Annotated[int | None, arg(help="Simulation processes; half the processors.")] = None
    preparers: Annotated[int | None, arg(help="Preparation processes; half the processors.")] = None
    no_pictures: Annotated[
        bool, FlagCreatePairsOff, arg(help="Do not store the pictures that the models saw.")
    ] = False

    def run(self) -> int:
        from pipelines.cluster.options import GenerateOptions
        from pipelines.cluster.run import generate
        from zdg_jax.reasoning.status import STOPPING, Status

        values = asdict(self)
        pictures = not values.pop("no_pictures")
        result = generate(GenerateOptions(**values, pictures=pictures))
        written = f"{result.done} of {result.total} tasks are written in {result.out}"
        if result.why == "interrupt":
            print(f"stopped: {written}; run the same command again to go on", file=sys.stderr)
            return 130
        if result.why == "budget":
            print(f"--max-usd reached: {written}; run the same command again to go on", file=sys.stderr)
            return 3
        kind, _, said = result.why.partition(": ")
        result = replace(result, why=printable(result.why))
        if kind == Status.MACHINE_FAULT:
            print(f"generate: {said}; {written}", file=sys.stderr)
            return 2
        if kind in STOPPING:
            print(f"{result.why}; {written}; run the same command again to go on", file=sys.stderr)
            return 3
        if result.why:
            print(f"zdg: {result.why}; {written}; run the same command again to go on", file=sys.stderr)
            return 1
        print(f"{written}: see dataset_card.md there")
        return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run it.

    Returns: 0 all tasks written (failed ones included), 1 given up, 2 mend something (a full disk too), 3
      stopped at `--max-usd` or because a model was there no more, 130 interrupted.
    """
    command = tyro.cli(Generate, prog="python -m pipelines.generate", args=argv)
    return program("generate", command.run)


if __name__ == "__main__":
    sys.exit(main())
