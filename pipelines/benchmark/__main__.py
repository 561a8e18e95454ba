"""`python -m pipelines.benchmark --set zoo|ycb --out DIR`: Tables I and II by one command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from tyro.conf import arg

from pipelines.benchmark.rows import ROWS, Crew, Runner, parse_rows
from pipelines.options import (
    Address,
    ChooseOptions,
    Instructions,
    Keep,
    MaxUsd,
    RefineOptions,
    Segmenter,
    check_ranges,
    values_of,
)
from pipelines.runtime import program
from zdg_jax.errors import UserError, printable


@dataclass(frozen=True, kw_only=True)
class Options(RefineOptions, ChooseOptions, Instructions):
    """Run the benchmark; units that a run with the same options has finished are not run again."""

    out: Annotated[str, arg(metavar="DIR", help="Folder for results; the same folder resumes.")]
    rows: Annotated[str, arg(metavar="ROWS", help=f"Some of {','.join(ROWS)}.")] = ",".join(ROWS)
    reasoner: Annotated[
        str, arg(help="oracle (parts from the labels), offline, offline-seen, openai:MODEL, ...")
    ] = "offline"
    others: Annotated[str, arg(help="Reasoner of the stages that oracle leaves.")] = "offline"
    methods: Annotated[tuple[str, ...], arg(metavar="NAME=PATH", help="Other methods' grasp files.")] = ()
    keep: Keep = 4
    #: The paper's rows have one hypothesis and its own test; synth's are `--select hold --hypotheses 8`.
    select: Annotated[str, arg(metavar="gravity|hold", help="Test that grasps are kept by.")] = "gravity"
    hypotheses: Annotated[int, arg(help="Ways to hold that share the initial grasps; the paper's is 1.")] = 1
    types: Annotated[Literal["all", "paper"], arg(help="Grasp types offered; the paper has five.")] = "paper"
    points: Annotated[bool, arg(help="The oracle has points where instructions are labelled so.")] = True
    segmenter: Segmenter = "geometric"
    named: Annotated[bool, arg(help="Tell reasoners what the object is called.")] = True
    choose: Annotated[bool, arg(help="Keep the best by energy and simulation, not the first as refined.")] = (
        True
    )
    six_force: Annotated[str, arg(metavar="ROWS", help="Rows put through DexGraspBench's test too.")] = ""
    runner: Annotated[Runner, arg(help="Who works: this process, several, or Ray's actors.")] = "here"
    workers: Annotated[int | None, arg(help="Processes or actors; one a core by default.")] = None
    address: Address = None
    judge: Annotated[
        str | None, arg(metavar="NAME", help="Model that sees pictures: P.Score of a grasp a category.")
    ] = None
    max_usd: MaxUsd = None
    pictures: Annotated[int, arg(help="Failures drawn a row.")] = 24


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 on a user error."""
    return program("pipelines.benchmark", Options, argv, run)


def run(options: Options) -> int:
    """Run it, write the report and print its first tables."""
    from pipelines.runtime import output_folder, start_jax

    check_ranges(options)
    if options.runner == "here" and (options.workers or 1) > 1:
        raise UserError(
            f"--workers {options.workers} with --runner here", "--runner processes or ray", "choose one"
        )
    rows = parse_rows(options.rows)
    out = output_folder(options.out)
    if options.runner != "here":  # what this process draws needs little of a GPU that workers share
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    start_jax()
    from pipelines.benchmark.methods import read_method
    from pipelines.benchmark.page import Run, write_report
    from pipelines.benchmark.unit import UnitOptions, judge_of, judge_units
    from pipelines.benchmark.work import chosen_instructions, draw_failures, run_all
    from pipelines.provenance import versions
    from sim_eval.benchmark.instructions import split
    from zdg_jax.api import close_reasoner
    from zdg_jax.hands import load_hand

    methods = [read_method(given) for given in options.methods]
    if len({method.name for method in methods}) < len(methods):
        raise UserError("two methods of one name", "a name each", "rename one")
    for method in methods:
        for note in method.notes:
            print(printable(f"{method.name}: {note}"), file=sys.stderr)
    wanted = chosen_instructions(options.set, options.half, options.only, options.limit)
    options.select_by()
    asked = values_of(UnitOptions, options)
    asked["six_force"] = parse_rows(options.six_force, [method.name for method in methods])
    unit_options = UnitOptions(**asked)
    workers = 1 if options.runner == "here" else options.workers or os.cpu_count() or 1
    judging = judge_of(options.judge, options.max_usd)
    units = run_all(wanted, rows, methods, unit_options, out, Crew(options.runner, workers, options.address))
    known = {i.id: i for i in wanted}
    if judging is not None:
        hands = {row: load_hand(options.hand) for row in rows} | {m.name: m.hand for m in methods}
        verdicts = judge_units(units, known, hands, judging, out, options.seed)
        close_reasoner(judging)
        if lost := [v for v in verdicts if v.score is None]:
            print(printable(f"{len(lost)} grasps without P.Score: {lost[0].reason}"), file=sys.stderr)
    note = (
        f"{options.hand}, reasoner {options.reasoner}, {options.num} starts, {options.keep} kept, seed "
        f"{options.seed}, {len(wanted)} instructions. Means over instructions ± half the 95 % interval; "
        "tasks to twist are left out of the simulated columns."
    )
    if judging is not None:
        note += f" P.Score by {judging.name}, one grasp a category."
    for method in methods:
        note += f" {method.name}: {'; '.join((method.form, method.hand.name, *method.notes))}."
    record: dict[str, Any] = {
        "set": options.set,
        "options": asdict(unit_options),
        "versions": versions(),
        "methods": {m.name: {"form": m.form, "hand": m.hand.name, "notes": m.notes} for m in methods},
    }
    run = Run(f"Benchmark, set {options.set}", note, known, split(options.set), units, record)
    write_report(run, out, draw_failures(run, unit_options, methods, options.pictures))
    print((out / "benchmark.md").read_text(encoding="utf-8").split("## Development")[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
