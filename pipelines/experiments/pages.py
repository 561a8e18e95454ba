"""What is written of a suite: a page, its records, and sheets of the best grasps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.experiments import Run, Suite, mesh_of
from pipelines.report.html import number
from sim_eval.select.rank import LIMITS
from zdg_jax.columns import COLUMNS
from zdg_jax.markdown import table

Verdicts = Mapping[str, Mapping[str, Any]]
Records = list[dict[str, Any]] | dict[str, dict[str, Any]]
_SHAPE = 200  # pixels a side: the sheet stays below 300 kB
MEASURES = ("p_dep_cm", "p_vol_cm3", "sim_dis_cm", "contact_end")


def _head(name: str) -> str:
    """A column's heading without its direction, as the docs' tables have it."""
    return COLUMNS[name].short + f" {COLUMNS[name].hint}"


def mean(runs: Sequence[Run], column: str) -> float:
    """Mean of a column over the kept grasps of all runs; NaN if there is none."""
    values = np.array([row[column] for run in runs for row in run.rows], dtype=float)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def pairs_page(suite: Suite, runs: Sequence[Run], verdicts: Verdicts) -> tuple[str, Records]:
    """docs/results.md: one line a pair, numbers and a person's verdict.

    Args:
      suite: says how it was run.
      runs: in order.
      verdicts: slug -> {"right": bool, "note": str}, what a person said of the picture; may lack some.
    """
    heads = ["#", "object", "task", "part, direction, type", *map(_head, MEASURES[:3])]
    heads += ["contact", "good kept", "numbers", "looks right"]
    numeric = sum(run.num_good > 0 for run in runs)
    both = sum(run.num_good > 0 and verdicts.get(run.slug, {}).get("right") is True for run in runs)
    limits = "P.Dep ≤ {p_dep_cm:g} cm, P.Vol ≤ {p_vol_cm3:g} cm³, displacement ≤ {sim_dis_cm:g} cm".format(
        **LIMITS
    )
    means = [(name, mean(runs, f"initial_{name}"), mean(runs, name)) for name in MEASURES[:2]]
    parts = [
        note(suite),
        "P.Dep and P.Vol: initial → refined, of the best kept grasp.",
        table(heads, [_pair(run, verdicts.get(run.slug, {})) for run in runs]),
        f"Numbers: {numeric} of {len(runs)} pairs have a kept grasp with {limits}, still in contact.\n"
        + (f"Numbers and looks: {both} of {len(runs)}." if verdicts else "Looks: not judged yet."),
        table(
            ["mean over kept grasps", "initial", "refined", "refined / initial"],
            [
                [_head(name), f"{a:.3f}", f"{b:.3f}", f"{b / a if a else float('nan'):.2f}"]
                for name, a, b in means
            ],
        ),
        "\n".join(f"- {r.slug}: {v['note']}" for r in runs if (v := verdicts.get(r.slug, {})).get("note")),
    ]
    records = [{"slug": r.slug, "status": r.status, "good": r.num_good, "seconds": r.seconds} for r in runs]
    return "\n\n".join(part for part in parts if part) + "\n", records


def _pair(run: Run, verdict: Mapping[str, Any]) -> list[str]:
    looks = {True: "yes", False: "no"}.get(verdict.get("right", ""), "?")
    asked = [str(run.number), run.name, run.task]
    if not run.rows:
        return [*asked, run.status, *["–"] * 4, "0", "fail", looks]
    best = run.rows[0]
    return [
        *asked,
        f"{'+'.join(map(str, best['part_ids']))}, {best['direction']}, {best['grasp_type']}",
        *(f"{number(best[f'initial_{m}'], 2)} → {number(best[m], 2)}" for m in MEASURES[:2]),
        number(best["sim_dis_cm"], 2),
        "yes" if best["contact_end"] else "no",
        f"{run.num_good}/{len(run.rows)}",
        "pass" if run.num_good else "fail",
        looks,
    ]


def hands_page(suite: Suite, runs: Sequence[Run], _: Verdicts) -> tuple[str, Records]:
    """docs/hands.md: one line a hand and route, means over all kept grasps, pairs with a good one."""
    records: dict[str, dict[str, Any]] = {}
    for hand, route in dict.fromkeys((run.hand, run.route) for run in runs):
        mine = [run for run in runs if (run.hand, run.route) == (hand, route)]
        tips = [tip for run in mine for tip in run.tips]
        near = [error for error, reached in tips if reached]
        records[f"{hand} {route}"] = {
            "pairs": len(mine), "pairs_good": sum(r.num_good > 0 for r in mine),
            "grasps": sum(len(r.rows) for r in mine), "good": sum(r.num_good for r in mine),
            **{name: _known(mean(mine, name)) for name in MEASURES},
            "tip_mm": float(np.mean(near)) if near else None,
            "tips_reachable": len(near) / len(tips) if tips else None,
        }  # fmt: skip
    heads = ["hand", "route", "pairs with a good grasp", "good grasps", *map(_head, MEASURES[:3])]
    heads += ["contact", "tip error mm, reachable", "tips reachable"]
    lines = [
        [*key.split(" "), f"{r['pairs_good']} of {r['pairs']}", f"{r['good']} of {r['grasps']}"]
        + [number(r[name], 2) for name in MEASURES]
        + [number(r["tip_mm"], 1), number(r["tips_reachable"], 2)]
        for key, r in records.items()
    ]
    return table(heads, lines) + "\n", records


def scans_page(suite: Suite, runs: Sequence[Run], _: Verdicts) -> tuple[str, Records]:
    """Means over scans, then a line a scan: the test that chose, and the second judge."""
    heads = ["scan", "kept", "six_force (%)", "moved by 1 mm (%)", "P.Dep (mm)", "least gap (mm)", "free (%)"]
    records = [
        {
            "name": run.name, "hand": run.hand, "status": run.status, "kept": len(run.rows),
            "selected": mean([run], "six_force_suc"), "nudged": run.nudged,
            "p_dep_mm": 10.0 * mean([run], "p_dep_cm"), "free": mean([run], "approach_free"),
            "gap_mm": 10.0 * min((r["pregrasp_gap_cm"] for r in run.rows), default=float("nan")),
        }
        for run in runs
    ]  # fmt: skip
    done = [r for r in records if r["kept"]]
    shares = ("selected", "nudged", "p_dep_mm", "free")
    total: dict[str, Any] = {name: float(np.mean([r[name] for r in done])) for name in shares if done}
    total |= {"name": f"mean of {len(done)}", "kept": sum(r["kept"] for r in done)}
    total["gap_mm"] = min((r["gap_mm"] for r in done), default=float("nan"))
    lines = [_scan(total, 1)] if done else [["no grasp", *[""] * 6]]
    lines += [_scan(r, 0) if r["kept"] else [r["name"], f"0 ({r['status']})", *[""] * 5] for r in records]
    said = (
        f"{note(suite)} The grasps were chosen by {suite.options(suite.pairs[0], suite.hands[0]).select}, "
        "their closing by six_force; the hand moved by 1 mm in a random direction is a test that chose "
        "nothing."
    )
    return f"# six_force on YCB scans\n\n{said}\n\n{table(heads, lines)}\n", records


def _scan(record: Mapping[str, Any], digits: int) -> list[str]:
    share = {name: number(100 * record[name], digits) for name in ("selected", "nudged", "free")}
    sizes = [number(record["p_dep_mm"], 2), number(record["gap_mm"], 1)]
    return [record["name"], str(record["kept"]), share["selected"], share["nudged"], *sizes, share["free"]]


def note(suite: Suite) -> str:
    """One line on how it was run."""
    asked = suite.options(suite.pairs[0], suite.hands[0])
    tasks = {task for _, task in suite.pairs}
    task = f", {next(iter(tasks))!r}" if len(tasks) == 1 else ""
    who = f"{', '.join(suite.hands)}, {asked.reasoner} reasoner{task}"
    return f"{who}, {asked.num} starts, {asked.keep} kept, seed {asked.seed}."


def sheet(runs: Sequence[Run], routes: int, *, columns: int, size: int, named: bool) -> Image.Image:
    """The best kept grasp of every pair from three sides; further routes below the first.

    Args:
      runs: of one hand, all pairs of a route after each other.
      routes: how many.
      columns: pairs in a row.
      size: side of a picture, pixels.
      named: write the pair above its pictures.
    """
    from pipelines.pictures import blank_strip, grasp_strip
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object
    from zdg_jax.render import sheets

    hand, count = load_hand(runs[0].hand), len(runs) // routes
    cards = []
    for place in range(count):
        obj = load_object(runs[place].object)
        mine = [runs[route * count + place] for route in range(routes)]
        strips = [
            grasp_strip(obj, hand, run.rows[0], size=size) if run.rows else blank_strip(size) for run in mine
        ]
        card = sheets.grid(strips, 1, gap=2) if routes > 1 or named else strips[0]
        title = (f"{mine[0].number} {mine[0].name}: {mine[0].task}",)
        cards.append(sheets.captioned(card, title, text_size=12) if named else card)
    return sheets.grid(cards, columns, gap=4 if named else 3).quantize(96)


def pair_pictures(runs: Sequence[Run], out: Path) -> None:
    """SLUG.png for each pair, and results16.png of all."""
    from pipelines.pictures import kept_grasps
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object

    for run in runs:
        if run.rows:
            picture = kept_grasps(
                load_object(run.object), load_hand(run.hand), run.rows[:1], size=384, columns=1
            )
            picture.save(out / f"{run.slug}.png")
    sheet(runs, 1, columns=2, size=236, named=False).save(out / "results16.png", optimize=True)


def hand_pictures(runs: Sequence[Run], out: Path) -> None:
    """hands_HAND.png for each hand."""
    for hand in dict.fromkeys(run.hand for run in runs):
        mine = [run for run in runs if run.hand == hand]
        routes = len({run.route for run in mine})
        picture = sheet(mine, routes, columns=4, size=116, named=True)
        picture.save(out / f"hands_{hand}.png", optimize=True)


def shapes_page(suite: Suite, runs: Sequence[Run], verdicts: Verdicts) -> tuple[str, Records]:
    """docs/looks.md: a line a sentence with grasp type, tests and a person's verdict.

    Args:
      suite, runs, verdicts: as for `pairs_page`.
    """
    heads = ["#", "object", "sentence", "grasp type", "good", "hold six forces", "looks right"]
    lines, records = [], []
    for run in runs:
        verdict = verdicts.get(run.slug, {})
        said = {True: "yes", False: "no"}.get(verdict.get("right", ""), "?")
        looks = ": ".join(filter(None, (said, verdict.get("note"))))
        kind = run.rows[0]["grasp_type"] if run.rows else run.status
        firm = [bool(row["six_force_suc"]) for row in run.rows]
        first = "" if any(firm[:1]) else ", not the first"
        counts = [f"{run.num_good} of {len(firm)}", f"{sum(firm)} of {len(firm)}{first}"]
        lines.append([str(run.number), run.name, run.task, kind, *counts, looks])
        records.append({"slug": run.slug, "type": kind, "good": run.num_good, "firm": sum(firm)})
    return f"{note(suite)}\n\n{table(heads, lines)}\n", records


def shape_pictures(runs: Sequence[Run], out: Path) -> None:
    """twelve_shapes.jpg: the best kept grasp of each from three sides, grasp type and sentence below."""
    from pipelines.pictures import blank_strip, grasp_strip
    from zdg_jax.hands import load_hand
    from zdg_jax.objects import load_object
    from zdg_jax.render import sheets

    hand, cards = load_hand(runs[0].hand), []
    for run in runs:
        folder = out / run.hand / run.route / run.slug
        strip, kind = blank_strip(_SHAPE), run.status
        if run.rows:
            obj, kind = load_object(mesh_of(run.object, folder)), run.rows[0]["grasp_type"]
            strip = grasp_strip(obj, hand, run.rows[0], size=_SHAPE)
        cards.append(sheets.captioned(strip, (f"{run.number} {kind}", run.task), text_size=17.0))
    sheets.grid(cards, 3, gap=8).save(out / "twelve_shapes.jpg", quality=82, optimize=True)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


Page = Callable[[Suite, Sequence[Run], Verdicts], tuple[str, Records]]
Pictures = Callable[[Sequence[Run], Path], None]
#: By the suite's `page`: the files' name, the page, the pictures.
PAGES: dict[str, tuple[str, Page, Pictures]] = {
    "pairs": ("results", pairs_page, pair_pictures),
    "hands": ("hands", hands_page, hand_pictures),
    "shapes": ("twelve_shapes", shapes_page, shape_pictures),
    "scans": ("six_force", scans_page, lambda runs, out: None),
}
