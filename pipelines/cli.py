"""The `zdg` command. Heavy imports happen inside the commands, so that `--help` is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg, subcommand

from pipelines.bench import Bench
from pipelines.hand_command import HandCommand, Retarget
from pipelines.judge_command import Judge
from pipelines.models_command import Models
from pipelines.options import Backend, GraspFileOptions, Name, SynthOptions, Up
from pipelines.prompts_command import Prompts
from pipelines.runtime import program
from zdg_jax.errors import printable


@dataclass(frozen=True)
class Synth(SynthOptions):
    """Synthesize, simulate and picture grasps for one object and one task."""

    def run(self) -> int:
        from pipelines.synth import synth
        from zdg_jax.reasoning.status import STOPPING

        result = synth(self)
        print(printable(result.summary(), keep="\n"))
        if result.status in STOPPING:
            return 3
        if result.succeeded and not result.num_good:
            return 4
        return 0 if result.succeeded else 1


@dataclass(frozen=True)
class Eval(GraspFileOptions):
    """Simulate and measure grasps: ours, DexGraspBench's, DexGraspNet's or AffordPose's."""

    grasps: Annotated[
        Positional[str], arg(metavar="FILE", help="A grasp file, or a folder of them; docs/formats.md.")
    ]
    protocol: Annotated[str, arg(metavar="gravity|gravity_hold|six_force", help="Test to run.")] = "gravity"
    backend: Backend = "auto"
    up: Up = None
    out: Annotated[
        str | None, arg(metavar="FILE|DIR", help="Write .json, .parquet or .md, or all into a folder.")
    ] = None

    def run(self) -> int:
        from rich.console import Console

        from pipelines.evaluate import evaluate_file

        report = evaluate_file(
            self.grasps,
            protocol=self.protocol,
            backend=self.backend,
            out=self.out,
            objects=self.objects,
            hand=self.hand,
            up=self.up,
        )
        report.show(Console())
        print(printable(report.summary(), keep="\n"))
        return 0 if report.measured else 1


@dataclass(frozen=True)
class Export(GraspFileOptions):
    """Write grasps in another format, with the meshes that its readers expect."""

    grasps: Annotated[Positional[str], arg(metavar="FILE", help="A grasp file of any format we read.")]
    format: Annotated[str, arg(metavar="dexgraspbench|dexgraspnet|glb", help="What to write.")]
    out: Annotated[str, arg(metavar="DIR", help="Folder for the files.")] = "export"
    name: Name = None

    def run(self) -> int:
        from pipelines.export import export

        result = export(
            self.grasps, self.format, self.out, objects=self.objects, hand=self.hand, name=self.name
        )
        print(printable(result.summary(), keep="\n"))
        return 0 if result.written else 1


@dataclass(frozen=True)
class Cache:
    """Count or forget the answers that models gave and that need not be paid again."""

    action: Annotated[Positional[str], arg(metavar="stats|clear", help="What to do.")]

    def run(self) -> int:
        from pipelines.answers import run

        print(run(self.action))
        return 0


Command = (
    Annotated[Synth, subcommand("synth", prefix_name=False)]
    | Annotated[Eval, subcommand("eval", prefix_name=False)]
    | Annotated[Export, subcommand("export", prefix_name=False)]
    | Annotated[Bench, subcommand("bench", prefix_name=False)]
    | Annotated[Cache, subcommand("cache", prefix_name=False)]
    | Annotated[Judge, subcommand("judge", prefix_name=False)]
    | Annotated[Models, subcommand("models", prefix_name=False)]
    | Annotated[Prompts, subcommand("prompts", prefix_name=False)]
    | Annotated[HandCommand, subcommand("hand", prefix_name=False)]
    | Annotated[Retarget, subcommand("retarget", prefix_name=False)]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns: 0 done (failed rows included), 1 no grasp succeeded, 2 the user must mend something, 3 stopped
      at `--max-usd` or because a model was there no more (the same command goes on).
    """
    said = "A mesh and a sentence in, simulated, task-oriented dexterous grasps out."
    return program("zdg", Command, argv, description=said)


if __name__ == "__main__":
    sys.exit(main())
