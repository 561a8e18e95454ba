"""`python -m pipelines.experiments SUITE --out DIR`: an experiment of the docs by one command."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from pipelines.options import Out
from pipelines.runtime import program
from zdg_jax.errors import UserError


@dataclass(frozen=True)
class Options:
    """Run a suite of suites.yaml; write page, records and pictures. What is there is not run again."""

    suite: Annotated[Positional[str], arg(metavar="pairs|hands|six_force|shapes", help="What to run.")]
    out: Out
    hands: Annotated[tuple[str, ...] | None, arg(metavar="NAME", help="Other hands than the suite's.")] = None
    num: Annotated[int | None, arg(help="Initial grasps a pair; the suite's by default.")] = None
    keep: Annotated[int | None, arg(help="Grasps kept a pair; the suite's by default.")] = None
    seed: Annotated[int | None, arg(help="Same seed, same result.")] = None
    select: Annotated[str | None, arg(metavar="hold|gravity", help="Test that chooses.")] = None
    reasoner: Annotated[str | None, arg(metavar="NAME", help="Who answers.")] = None
    only: Annotated[tuple[str, ...], arg(metavar="N|WORD", help="Pairs by number, or by object.")] = ()
    verdicts: Annotated[str | None, arg(metavar="FILE", help="YAML: slug: {right: bool, note: text}.")] = None


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 on a user error."""
    return program("pipelines.experiments", Options, argv, _run)


def _run(options: Options) -> int:
    from pipelines.dataset import write_atomic
    from pipelines.experiments import run_suite, suite
    from pipelines.experiments.pages import PAGES
    from pipelines.options import values_of
    from pipelines.runtime import output_folder

    names = ("num", "keep", "seed", "select", "reasoner")
    settings = {name: value for name, value in values_of(Options, options).items() if name in names}
    chosen = suite(options.suite, hands=options.hands, settings=settings)
    chosen.asked(options.only)
    for hand in chosen.hands:
        chosen.options(chosen.pairs[0], hand).check()
    verdicts = _read_verdicts(options.verdicts)
    out = output_folder(options.out)
    name, page_of, pictures_of = PAGES[chosen.page]
    runs = []
    for run in run_suite(chosen, options.only, out):
        runs.append(run)
        said = f"{run.status}, {run.num_good} of {len(run.rows)} good, {run.seconds:.0f} s"
        print(f"{run.hand} {run.route} {run.slug}: {said}", flush=True)
        page, records = page_of(chosen, runs, verdicts)
        write_atomic(out / f"{name}.md", page.encode())
        write_atomic(out / f"{name}.json", json.dumps(records, indent=2).encode() + b"\n")
    pictures_of(runs, out)
    print((out / f"{name}.md").read_text(encoding="utf-8"))
    return 0


def _read_verdicts(path: str | None) -> dict[str, Any]:
    import yaml

    if path is None:
        return {}
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"verdicts {path}", "a readable YAML file", "check the path") from error


if __name__ == "__main__":
    sys.exit(main())
