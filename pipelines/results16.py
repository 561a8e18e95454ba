"""The 16 scan-and-task pairs of docs/results.md: `python -m pipelines.results16 --out DIR`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
import yaml
from PIL import Image
from tyro.conf import arg

from pipelines.dataset import read_dataset, write_atomic
from pipelines.results_table import Pair, markdown
from pipelines.runtime import program
from zdg_jax.errors import UserError

PAIRS = (
    ("048_hammer", "hammer a nail"),
    ("048_hammer", "hand it over"),
    ("025_mug", "drink from it"),
    ("025_mug", "hand it over"),
    ("035_power_drill", "drill a hole"),
    ("037_scissors", "cut paper"),
    ("032_knife", "cut bread"),
    ("022_windex_bottle", "spray the window"),
    ("019_pitcher_base", "pour water"),
    ("033_spatula", "flip a pancake"),
    ("043_phillips_screwdriver", "drive a screw"),
    ("006_mustard_bottle", "squeeze it"),
    ("024_bowl", "carry soup"),
    ("011_banana", "lift it"),
    ("052_extra_large_clamp", "clamp two boards"),
    ("029_plate", "carry it"),
)


SIDE = 236  # pixels of one picture of the overview


def run_pair(number: int, out: Path, *, num: int, keep: int, seed: int) -> tuple[Pair, Image.Image]:
    """Synthesize one pair into a folder of its own, and draw its best grasp; also small, for the overview."""
    from pipelines.options import SynthOptions
    from pipelines.pictures import blank_strip, grasp_strip, kept_grasps
    from pipelines.synth import synth
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object

    name, task = PAIRS[number - 1]
    pair = Pair(number, name, task, "", (), 0.0, ())
    folder = out / pair.slug
    result = synth(SynthOptions(f"ycb:{name}", task, str(folder), num=num, keep=keep, seed=seed))
    table, info = read_dataset(folder)
    kept = tuple(row for row in table.to_pylist() if row["rank"] is not None)
    obj = load_object(f"ycb:{name}", seed=seed)
    strip = blank_strip(SIDE)
    if kept:
        hand = load_hand(info["hand"])
        sheet = kept_grasps(obj, hand, kept[:1], size=384, columns=1)
        sheet.save(out / f"{pair.slug}.png")
        strip = grasp_strip(obj, hand, kept[0], size=SIDE)
    found = Pair(number, name, task, result.status, kept, sum(result.seconds.values()), obj.warnings)
    return found, strip


@dataclass(frozen=True)
class Options:
    """Run the 16 pairs; write results.md, results.json, results16.png, a picture and a folder for each."""

    out: Annotated[str, arg(metavar="DIR", help="Folder for the results.")]
    num: Annotated[int, arg(help="Initial grasps a pair.")] = 64
    keep: Annotated[int, arg(help="Grasps kept a pair.")] = 8
    seed: Annotated[int, arg(help="Same seed, same result.")] = 0
    only: Annotated[tuple[int, ...], arg(metavar="N", help="Only these pairs, counted from 1.")] = ()
    verdicts: Annotated[str | None, arg(metavar="FILE", help="YAML: slug: {right: bool, note: text}.")] = None


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 on a user error."""
    options = tyro.cli(Options, prog="python -m pipelines.results16", args=argv)
    return program("results16", lambda: _run(options))


def _run(options: Options) -> int:
    from pipelines.runtime import output_folder
    from zdg_jax.render import sheets

    for number in options.only:
        if not 1 <= number <= len(PAIRS):
            raise UserError(f"--only {number}", f"1 to {len(PAIRS)}", "choose other pairs")
    out = output_folder(options.out)
    verdicts = _read_verdicts(options.verdicts)
    pairs, strips = [], []
    for number in options.only or range(1, len(PAIRS) + 1):
        pair, strip = run_pair(number, out, num=options.num, keep=options.keep, seed=options.seed)
        print(
            f"{pair.slug}: {pair.status}, {pair.num_good} of {len(pair.rows)} good, {pair.seconds:.0f} s",
            flush=True,
        )
        pairs.append(pair)
        strips.append(strip)
    note = f"human16, offline reasoner, {options.num} starts, {options.keep} kept, seed {options.seed}."
    page = markdown(pairs, verdicts, note)
    write_atomic(out / "results.md", page.encode())
    records = [{"slug": p.slug, "status": p.status, "good": p.num_good, "seconds": p.seconds} for p in pairs]
    sheets.grid(strips, 2, gap=3).quantize(96).save(out / "results16.png", optimize=True)
    write_atomic(out / "results.json", json.dumps(records, indent=2).encode() + b"\n")
    print(page)
    return 0


def _read_verdicts(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"verdicts {path}", "a readable YAML file", "check the path") from error


if __name__ == "__main__":
    sys.exit(main())
