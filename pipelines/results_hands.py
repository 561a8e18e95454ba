"""The 16 pairs of docs/results.md for several hands, directly and retargeted: docs/hands.md.

`python -m pipelines.results_hands --out DIR`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tyro.conf import arg

from pipelines.dataset import read_dataset, write_atomic
from pipelines.results16 import PAIRS
from pipelines.runtime import output_folder, program

SOURCE = "human16"
HANDS = ("human16", "shadow", "leap", "allegro", "inspire")
#: Side of a small picture, pixels.
SIDE = 116
COLUMNS = ("p_dep_cm", "p_vol_cm3", "sim_dis_cm", "contact_end")


@dataclass(frozen=True)
class Options:
    """Run the pairs for every hand and route; write hands.md, hands.json and sheets."""

    out: Annotated[
        str, arg(metavar="DIR", help="Folder for the results; what is there already is not run again.")
    ]
    hands: Annotated[tuple[str, ...], arg(metavar="NAME", help="Hands, human16 first.")] = HANDS
    num: Annotated[int, arg(help="Initial grasps a pair.")] = 32
    keep: Annotated[int, arg(help="Grasps kept a pair.")] = 4
    only: Annotated[tuple[int, ...], arg(metavar="N", help="Only these pairs, counted from 1.")] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 on a user error."""
    options = tyro.cli(Options, prog="python -m pipelines.results_hands", args=argv)
    return program("results_hands", lambda: _all(options))


def _all(options: Options) -> int:
    out = output_folder(options.out)
    found: dict[str, dict[str, Any]] = {}
    pairs = options.only or tuple(range(1, len(PAIRS) + 1))
    for hand in options.hands:
        for route in _routes(hand):
            for number in pairs:
                _run(number, hand, route, out, options)
            found[f"{hand} {route}"] = _summary(hand, route, pairs, out)
            write_atomic(out / "hands.json", json.dumps(found, indent=2).encode() + b"\n")
            write_atomic(out / "hands.md", table(found).encode())
        _sheet(hand, pairs, out)
    print(table(found))
    return 0


def _routes(hand: str) -> tuple[str, ...]:
    return ("direct",) if hand == SOURCE else ("direct", "retargeted")


def _place(number: int, hand: str, route: str, out: Path) -> Path:
    return out / hand / route / f"{number:02d}"


def _run(number: int, hand: str, route: str, out: Path, options: Options) -> None:
    folder = _place(number, hand, route, out)
    if (folder / "grasps.parquet").is_file():
        return
    name, task = PAIRS[number - 1]
    if route == "direct":
        from pipelines.options import SynthOptions
        from pipelines.synth import synth

        result = synth(
            SynthOptions(f"ycb:{name}", task, str(folder), hand=hand, num=options.num, keep=options.keep)
        )
        print(f"{hand} {route} {number} {name}: {result.summary()}", flush=True)
        return
    from pipelines.retarget import retarget_file

    source = _place(number, SOURCE, "direct", out)
    if not any(row["status"] == "ok" for row in read_dataset(source)[0].to_pylist()):
        print(f"{hand} {route} {number} {name}: nothing to retarget", flush=True)
        return
    print(
        f"{hand} {route} {number} {name}: {retarget_file(str(source), hand, str(folder)).summary()}",
        flush=True,
    )


def _rows(number: int, hand: str, route: str, out: Path) -> list[dict[str, Any]]:
    folder = _place(number, hand, route, out)
    if not (folder / "grasps.parquet").is_file():
        return []
    rows = [r for r in read_dataset(folder)[0].to_pylist() if r["status"] == "ok" and r["rank"] is not None]
    return sorted(rows, key=lambda r: r["rank"])


def _summary(hand: str, route: str, pairs: Sequence[int], out: Path) -> dict[str, Any]:
    """Means over all kept grasps, and pairs with a good one."""
    by_pair = {n: _rows(n, hand, route, out) for n in pairs}
    rows = [r for kept in by_pair.values() for r in kept]
    columns = {c: np.array([r[c] for r in rows], dtype=float) for c in COLUMNS}
    good = np.array([bool(row["good"]) for row in rows], bool)
    starts = np.cumsum([0, *(len(k) for k in by_pair.values())])
    tips = []
    for n in pairs:
        file = _place(n, hand, route, out) / "retarget.json"
        if file.is_file():
            for row in json.loads(file.read_text(encoding="utf-8")):
                tips += [(e, f not in row["unreachable"]) for f, e in row["tip_error_mm"].items()]
    return {
        "pairs": len(pairs),
        "pairs_good": int(sum(good[a:b].any() for a, b in pairwise(starts))),
        "grasps": len(rows),
        "good": int(good.sum()),
        **{c: float(np.nanmean(columns[c])) if rows else None for c in COLUMNS},
        "tip_mm": float(np.mean([e for e, near in tips if near])) if any(n for _, n in tips) else None,
        "tips_reachable": float(np.mean([near for _, near in tips])) if tips else None,
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    """The table of docs/hands.md: one line a hand and route."""
    lines = [
        "| hand | route | pairs with a good grasp | good grasps | P.Dep cm | P.Vol cm³ | Sim.Dis cm "
        "| contact | tip error mm, reachable | tips reachable |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, v in found.items():
        hand, _, route = key.partition(" ")
        lines.append(
            f"| {hand} | {route} | {v['pairs_good']} of {v['pairs']} | {v['good']} of {v['grasps']} | "
            f"{_number(v['p_dep_cm'])} | {_number(v['p_vol_cm3'])} | {_number(v['sim_dis_cm'])} | "
            f"{_number(v['contact_end'])} | {_number(v['tip_mm'], 1)} | {_number(v['tips_reachable'])} |"
        )
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _sheet(hand: str, pairs: Sequence[int], out: Path) -> None:
    """The best kept grasp of every pair from three sides; directly above, retargeted below."""
    from pipelines.pictures import blank_strip, grasp_strip
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object
    from zdg_jax.render import sheets

    file = out / f"hands_{hand}.png"
    if file.is_file():
        return
    model, cards = load_hand(hand), []
    for n in pairs:
        name, task = PAIRS[n - 1]
        obj, strips = load_object(f"ycb:{name}"), []
        for route in _routes(hand):
            rows = _rows(n, hand, route, out)
            strips.append(grasp_strip(obj, model, rows[0], size=SIDE) if rows else blank_strip(SIDE))
        cards.append(sheets.captioned(sheets.grid(strips, 1, gap=2), (f"{n} {name}: {task}",), text_size=12))
    sheets.grid(cards, 4, gap=4).quantize(96).save(file, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
