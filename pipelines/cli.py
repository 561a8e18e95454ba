"""The `zdg` command. Heavy imports happen inside the commands, so that `--help` is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg, subcommand

from pipelines.bench import Bench
from pipelines.benchmark.__main__ import Options as BenchmarkOptions
from pipelines.doctor import Doctor
from pipelines.hand_command import HandCommand, Retarget
from pipelines.list_command import List, Models
from pipelines.options import (
    GROUPS,
    Backend,
    GenerateOptions,
    GraspFileOptions,
    Hand,
    MaxUsd,
    Name,
    ObjectOptions,
    PrintJson,
    SynthOptions,
    Up,
)
from pipelines.plan import Plan
from pipelines.runtime import program
from pipelines.shell import grouped
from zdg_jax.errors import UserError, one_of, printable

# `zdg cache`: what is kept of the answers that models gave.
CACHE_ACTIONS = ("stats", "clear")


def run_cache(action: str) -> str:
    """Do it and say what was done.

    Args:
      action: "stats" or "clear".
    Raises:
      UserError: another action, or a cache that can't be read.
    """
    from zdg_jax.reasoning.models.answer_cache import CacheStats, UnjudgedAnswers, answer_cache
    from zdg_jax.reasoning.models.batch_book import job_book

    one_of("cache action", action, CACHE_ACTIONS, "e.g. zdg cache stats")
    cache = answer_cache()
    book = job_book(cache.path.parent)
    with closing(cache), closing(book):
        if action == "clear":
            apart = UnjudgedAnswers(cache)
            apart.clear()
            apart.close()
            jobs = book.clear()
            and_jobs = f", and {jobs} batch jobs under way" if jobs else ""
            return f"{cache.clear()} answers{and_jobs} forgotten ({cache.path})"
        stats: CacheStats = cache.stats()
        jobs, questions = book.waiting()
    lines = [f"{stats.answers} answers, {stats.num_bytes / 1e6:.1f} MB, {stats.path}"]
    for provider, model, answers, usd in stats.models:
        paid = "unknown cost" if usd is None else f"${usd:.4f}"
        lines.append(f"  {provider}:{model}: {answers} answers, {paid}")
    if jobs:
        lines.append(f"  {questions} questions in {jobs} batch jobs under way")
    return "\n".join(lines)


# The command `zdg prompts`.
@dataclass(frozen=True)
class Prompts(ObjectOptions):
    """Print exactly what a stage sends about an object and a task."""

    action: Annotated[Positional[Literal["show"]], arg(metavar="show", help="What to do.")]
    stage: Annotated[
        Positional[str],
        arg(
            metavar="STAGE",
            help="view, hand_part, func_part, points, direction, grasp_type, rotation, judge.",
        ),
    ]
    object: Annotated[Positional[str], arg(metavar="OBJECT", help="As for synth.")] = "ycb:048_hammer"
    task: Annotated[Positional[str], arg(metavar="TASK", help="As for synth.")] = "hammer a nail"
    hand: Hand = "human16"
    out: Annotated[str | None, arg(metavar="DIR", help="Write prompt and pictures there too.")] = None

    def run(self) -> int:
        from pipelines.list_command import shown_question, write_question

        question = shown_question(
            self.stage, self.object, self.task, hand=self.hand, scale=self.scale, up=self.up, name=self.name
        )
        sys.stdout.write(question.prompt)
        sizes = ", ".join(f"{image.width} x {image.height}" for image in question.images) or "of one grasp"
        print(f"with {max(len(question.images), 1)} picture(s): {sizes}", file=sys.stderr)
        if self.out is not None:
            write_question(question, self.out)
        return 0


# The command `zdg judge`.
@dataclass(frozen=True)
class Judge:
    """Score stored grasps from 1 to 5 (P.Score): by a multimodal model, or by people on a blinded page."""

    folders: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="DIR", help="Folders that `zdg synth` wrote; a model takes one."),
    ]
    reasoner: Annotated[
        str | None, arg(metavar="NAME", help="The judge; offline sees no pictures and can't.")
    ] = None
    grasps: Annotated[int, arg(help="Grasps of each task, best first.")] = 3
    reorder: Annotated[bool, arg(help="Rank what the model judged by its scores, the best first.")] = False
    max_usd: MaxUsd = None
    people: Annotated[
        bool, arg(help="Write people.html, which participants score and save as CSV, and the key to it.")
    ] = False
    sheets: Annotated[
        tuple[str, ...], arg(metavar="CSV", help="What participants saved: put together with DIR's key.")
    ] = ()
    out: Annotated[str | None, arg(metavar="DIR", help="Where page and key go; the first folder if not.")] = (
        None
    )
    seed: Annotated[int, arg(help="Of the page's order.")] = 0

    def run(self) -> int:
        ways = [self.reasoner is not None, self.people, bool(self.sheets)]
        if sum(ways) != 1:
            raise UserError(
                f"{sum(ways)} of --reasoner, --people and --sheets",
                "one of them",
                "e.g. zdg judge out --people",
            )
        if self.reorder and self.reasoner is None:
            raise UserError(
                "--reorder without --reasoner", "a model that judges", "name one, or leave it out"
            )
        if self.people:
            return self._page()
        if len(self.folders) != 1:
            raise UserError(
                f"{len(self.folders)} folders", "one", "name them one after another, or give --people"
            )
        return self._study() if self.sheets else self._model(self.folders[0])

    def _model(self, folder: str) -> int:
        from pipelines.judge import judge_file
        from zdg_jax import api

        assert self.reasoner is not None
        reasoner = api.make_reasoner(self.reasoner, max_usd=self.max_usd, check=True)
        report = judge_file(folder, reasoner, grasps=self.grasps, reorder=self.reorder)
        print(printable(report.summary(), keep="\n"))
        return 0 if report.total.judged else 1

    def _page(self) -> int:
        from pipelines.people import KEY, write_page

        page = write_page(self.folders, self.out, grasps=self.grasps, seed=self.seed)
        print(
            printable(
                f"send {page} to participants, and keep {page.with_name(KEY)}, which says what is whose"
            )
        )
        return 0

    def _study(self) -> int:
        from pathlib import Path

        from pipelines.people import read_sheets

        study = read_sheets(Path(self.folders[0]).expanduser(), [Path(s).expanduser() for s in self.sheets])
        print(printable(study.summary(), keep="\n"))
        return 0 if study.scored else 1


@dataclass(frozen=True)
class Synth(SynthOptions):
    """Synthesize, simulate and picture grasps for one object and one task."""

    json: PrintJson = False

    def run(self) -> int:
        import json

        from pipelines.synth import free_of_others, ready, synth
        from zdg_jax.status import STOPPING

        reasoner = ready(self)  # before a folder is chosen or made
        result = synth(free_of_others(self), reasoner=reasoner)
        said = json.dumps(result.facts(), indent=2) if self.json else result.summary()
        print(printable(said, keep="\n"))
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
    out: Annotated[str | None, arg(metavar="DIR", help="Folder for the files; export/FORMAT by default.")] = (
        None
    )
    name: Name = None

    def run(self) -> int:
        from pipelines.export import export

        out = f"export/{self.format}" if self.out is None else self.out
        result = export(self.grasps, self.format, out, objects=self.objects, hand=self.hand, name=self.name)
        print(printable(result.summary(), keep="\n"))
        return 0 if result.written else 1


@dataclass(frozen=True)
class View(GraspFileOptions):
    """Look at grasps on a live page: any file we read, any number of them; needs the extra `view`."""

    grasps: Annotated[
        Positional[tuple[str, ...]],
        arg(
            metavar="DIR|FILE",
            help="Folders or grasp files; docs/formats.md.",
            help_behavior_hint="(one or more)",
        ),
    ]
    where: Annotated[str, arg(metavar="FILTER", help='E.g. "good and p_dep_cm < 0.2".')] = ""
    sort: Annotated[str, arg(metavar="COLUMN", help="Column to sort by; as stored by default.")] = ""
    descending: Annotated[bool, FlagCreatePairsOff, arg(help="Greatest first.")] = False
    port: Annotated[int, arg(help="Of the page; the next free one if it is in use.")] = 8080
    host: Annotated[str, arg(metavar="ADDRESS", help="0.0.0.0 shows the page to your network.")] = "127.0.0.1"

    def run(self) -> int:
        from pipelines.report.serve import start

        viewer = start(
            self.grasps, hand=self.hand, objects=self.objects, host=self.host, port=self.port,
            where=self.where, sort=self.sort, descending=self.descending,
        )  # fmt: skip
        server = viewer.server
        print(f"{len(viewer.rows)} grasps at http://{server.get_host()}:{server.get_port()}", flush=True)
        print("N next, P previous, space plays the way; Ctrl-C ends", file=sys.stderr)
        try:
            server.sleep_forever()
        finally:
            server.stop()
        return 0


@dataclass(frozen=True)
class Generate(GenerateOptions):
    """Make a dataset of a table of tasks, on this machine or a Ray cluster; the same command goes on."""

    def run(self) -> int:
        from pipelines.generate import run

        return run(self)


@dataclass(frozen=True, kw_only=True)
class Benchmark(BenchmarkOptions):
    """Run the benchmark: Tables I and II, other methods' rows; the same command goes on."""

    def run(self) -> int:
        from pipelines.benchmark.__main__ import run

        return run(self)


@dataclass(frozen=True)
class Cache:
    """Count or forget the answers that models gave and that need not be paid again."""

    action: Annotated[Positional[str], arg(metavar="stats|clear", help="What to do.")]

    def run(self) -> int:

        print(run_cache(self.action))
        return 0


Command = (
    Annotated[grouped(Synth, GROUPS), subcommand("synth", prefix_name=False)]
    | Annotated[
        grouped(Generate, {k: v for k, v in GROUPS.items() if k != "mesh"}),
        subcommand("generate", prefix_name=False),
    ]
    | Annotated[Plan, subcommand("plan", prefix_name=False)]
    | Annotated[Benchmark, subcommand("benchmark", prefix_name=False)]
    | Annotated[Eval, subcommand("eval", prefix_name=False)]
    | Annotated[View, subcommand("view", prefix_name=False)]
    | Annotated[Export, subcommand("export", prefix_name=False)]
    | Annotated[Bench, subcommand("bench", prefix_name=False)]
    | Annotated[Cache, subcommand("cache", prefix_name=False)]
    | Annotated[Judge, subcommand("judge", prefix_name=False)]
    | Annotated[Models, subcommand("models", prefix_name=False)]
    | Annotated[Prompts, subcommand("prompts", prefix_name=False)]
    | Annotated[HandCommand, subcommand("hand", prefix_name=False)]
    | Annotated[List, subcommand("list", prefix_name=False)]
    | Annotated[Doctor, subcommand("doctor", prefix_name=False)]
    | Annotated[Retarget, subcommand("retarget", prefix_name=False)]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns: 0 done (failed rows included), 1 no grasp succeeded, 2 the user must mend something, 3 stopped
      at `--max-usd` or because a model was there no more (the same command goes on), 4 some grasps were kept
      and none is good.
    """
    said = "A mesh and a sentence in, simulated, task-oriented dexterous grasps out (version: zdg --version)."
    words = sys.argv[1:] if argv is None else list(argv)
    return program("zdg", Command, words or ["--help"], description=said)


if __name__ == "__main__":
    sys.exit(main())
