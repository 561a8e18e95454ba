"""The run as Markdown, JSON and one HTML page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from pipelines.benchmark.rows import ROWS
from pipelines.dataset import write_atomic
from sim_eval.benchmark.instructions import Half, Instruction
from sim_eval.metrics.diversity import first_component_share
from sim_eval.tables import summarise
from zdg_jax.columns import COLUMNS, Column, shown
from zdg_jax.columns import shown as columns_of
from zdg_jax.markdown import table
from zdg_jax.refine.aims import AT_POINT

# From unit results to tables: every instruction counts once.
SIMULATED = ("sim_dis_cm", "sim_suc")  # "we exclude tasks involving Twist" (paper IV-A)
# of a row's set of grasps, not of one: DexGraspBench takes all evaluated ones, Dexonomy those that succeeded
DIVERSITY_COLUMNS = (
    Column("diversity", "real", "diversity: first principal component, all grasps (%) ↓", 100.0),
    Column("diversity_held", "real", "of those held (%) ↓", 100.0),
)
#: With `--judge` only: one grasp of each category is judged (paper IV-A: "one result per object category").
JUDGED = Column("p_score", "real", "P.Score (1-5) ↑")
Unit = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of a table: mean and 95 % interval by column, and how many tasks it stands on.

    A column of `DIVERSITY_COLUMNS` has one value for the set and no interval.
    """

    title: str
    mean: dict[str, float]
    half: dict[str, float]
    tasks: int
    failed: int


def line(title: str, units: Sequence[Unit], instructions: Mapping[str, Instruction]) -> Line:
    """Mean over instructions of the mean over an instruction's kept grasps.

    Grasps of one instruction are alike, so the interval is over instructions: mean +- 1.96 s / sqrt(n), or
    robust to clusters (`sim_eval.tables`) where several instructions share an object.
    A task without a grasp counts as 0 in shares (`Column.share`) and is left out of lengths and volumes.
    """
    mean, half = {}, {}
    for name, factor in ((c.name, c.factor) for c in (*shown("paper"), JUDGED, *shown("benchmark"))):
        counted = [
            u for u in units if not (name in SIMULATED and instructions[u["id"]].affordance == "twist")
        ]
        if "paper" not in COLUMNS[name].shown and not any(
            name in grasp for unit in counted for grasp in unit["grasps"]
        ):
            mean[name] = half[name] = float("nan")
            continue
        values = np.array([_of_task(unit, name) for unit in counted], dtype=np.float64)
        objects = np.array([instructions[u["id"]].object for u in counted])
        found = summarise(values, clusters=objects if len(set(objects)) < len(objects) else None)
        mean[name], half[name] = factor * found.mean, factor * (found.high - found.low) / 2
    for column, held in zip(DIVERSITY_COLUMNS, (False, True), strict=True):
        mean[column.name], half[column.name] = column.factor * _diversity(units, held), float("nan")
    return Line(title, mean, half, len(units), sum(not unit["grasps"] for unit in units))


def title(row: str) -> str:
    """What the table calls a row."""
    return ROWS[row].title if row in ROWS else row


def failures(units: Sequence[Unit]) -> list[tuple[Unit, str]]:
    """Units whose best grasp does not serve, worst first, each with what is wrong."""
    found = []
    for unit in units:
        if not unit["grasps"]:
            found.append((9.0, unit, f"{unit['status']}: {unit['status_reason']}"))
        elif wrong := _wrong(unit["grasps"][0]):
            weight = len(wrong) + 2.0 * (WRONG_PART in wrong)
            found.append((weight, unit, "; ".join(text for _, text in wrong.items())))
    return [(unit, why) for _, unit, why in sorted(found, key=lambda f: (-f[0], f[1]["id"]))]


WRONG_PART, OFF_PART, NOT_HELD, DEEP = "wrong part", "mostly off the part", "not held", "deeper than 3 mm"


def causes(units: Sequence[Unit]) -> dict[str, int]:
    """How many units' best grasps have each fault; units without a grasp count under their status."""
    counts: dict[str, int] = {}
    for unit in units:
        for name in _wrong(unit["grasps"][0]) if unit["grasps"] else (f"no grasp: {unit['status']}",):
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _wrong(best: Mapping[str, Any]) -> dict[str, str]:
    """Fault -> what is said of it."""
    found: dict[str, str] = {}
    if not best["part_acc"]:
        found[WRONG_PART] = "wrong part"
    elif (best["sc_ratio"] or 0) < 0.5:
        found[OFF_PART] = f"{100 * (best['sc_ratio'] or 0):.0f} % of the touching fingers on the part"
    if not best["sim_suc"]:
        found[NOT_HELD] = "not held in simulation"
    if best["p_dep_cm"] is None or best["p_dep_cm"] > 0.3:
        found[DEEP] = f"depth {best['p_dep_cm'] or float('nan'):.2g} cm"
    return found


FINGER_HEADS = (
    "", "tasks with points", "grasps", "index ≤ 1 cm (%)", "thumb ≤ 1.5 cm (%)", "both (%)",
    "tasks with openings", "grasps", "the right fingers through (%)",
)  # fmt: skip


def fingers(name: str, units: Sequence[Unit]) -> list[str] | None:
    """One line on what single fingers were asked to do and did, over kept grasps; None where asked nothing.

    Args:
      name: of the line.
      units: results; `points` are those that were reasoned, `aims_met` without them tells of openings.
    """
    pointed = [u for u in units if u.get("points")]
    threaded = [
        u for u in units if not u.get("points") and any(g.get("aims_met") is not None for g in u["grasps"])
    ]
    if not pointed and not threaded:
        return None
    at = np.array(
        [
            [np.nan if (cm := g.get(f"{finger}_point_cm")) is None else cm for finger in ("thumb", "index")]
            for u in pointed for g in u["grasps"]
        ]
    ).reshape(-1, 2)  # fmt: skip
    thumb, index = (at <= 100.0 * np.array(AT_POINT)).T
    through = [g.get("aims_met") == 1.0 for u in threaded for g in u["grasps"]]
    return [
        name, str(len(pointed)), str(len(at)), *map(_share, (index, thumb, index & thumb)),
        str(len(threaded)), str(len(through)), _share(through),
    ]  # fmt: skip


def _share(flags: Sequence[bool] | np.ndarray) -> str:
    return f"{100 * np.mean(flags):.0f}" if len(flags) else "-"


def _fingers_table(run: Run) -> str:
    """A line a row, and below it one a category."""
    found = []
    for row, units in run.units.items():
        by: dict[str, list[Unit]] = {}
        for unit in units:
            by.setdefault(run.instructions[unit["id"]].category, []).append(unit)
        lines = [fingers(title(row), units), *(fingers(f"· {c}", own) for c, own in sorted(by.items()))]
        found += [each for each in lines if each is not None]
    return table(FINGER_HEADS, found) if found else ""


def seconds(units: Sequence[Unit]) -> dict[str, float]:
    """Mean processor seconds a unit by stage, of the units that say it."""
    timed = [unit["cpu"] for unit in units if unit.get("cpu")]
    stages = dict.fromkeys(stage for each in timed for stage in each)
    return {stage: sum(each.get(stage, 0.0) for each in timed) / len(timed) for stage in stages}


def markdown(lines: Sequence[Line], first: str = "", columns: Sequence[Column] | None = None) -> str:
    """A table; by default in the order and units of the paper's Tables I and II."""
    columns = paper_columns(lines) if columns is None else columns
    rows = [[e.title, *(cell(e, c.name) for c in columns), str(e.tasks), str(e.failed)] for e in lines]
    return table([first, *(c.heading for c in columns), "tasks", "failed"], rows) + "\n"


def paper_columns(lines: Sequence[Line]) -> tuple[Column, ...]:
    """The paper's columns; P.Score where anything was judged."""
    judged = any(np.isfinite(entry.mean["p_score"]) for entry in lines)
    return (*shown("paper"), JUDGED) if judged else tuple(shown("paper"))


def cell(entry: Line, name: str) -> str:
    """Mean and half the interval, or a dash."""
    if not np.isfinite(entry.mean[name]):
        return "-"
    half = f" ± {entry.half[name]:.2g}" if np.isfinite(entry.half[name]) else ""
    return f"{entry.mean[name]:.3g}{half}"


def _diversity(units: Sequence[Unit], held: bool) -> float:
    """`first_component_share` of all grasps with a pose, or of those that succeeded in the gravity test."""
    chosen = [g for u in units for g in u["grasps"] if g.get("hand_pose") and (g.get("sim_suc") or not held)]
    if not chosen:
        return float("nan")
    pose, joints = (np.array([g[key] for g in chosen], np.float64) for key in ("hand_pose", "joints"))
    fine = np.isfinite(pose).all(axis=1) & np.isfinite(joints).all(axis=1) & pose[:, 3:].any(axis=1)
    return first_component_share(pose[fine], joints[fine])


def _of_task(unit: Unit, name: str) -> float:
    values = [grasp.get(name) for grasp in unit["grasps"]]
    finite = [float(value) for value in values if value is not None]
    if finite:
        # a grasp whose simulation failed has no share of success either
        return sum(finite) / (len(values) if COLUMNS[name].share else len(finite))
    return 0.0 if COLUMNS[name].share else float("nan")


_PAGE = """<!doctype html><meta charset="utf-8"><title>{{ heading }}</title>
<style>body{font:15px/1.45 sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;color:#1c2026}
table{border-collapse:collapse;margin:1em 0}td:first-child,th:first-child{text-align:left}
td,th{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:right}
figure{display:inline-block;width:560px;margin:.5em;vertical-align:top}
img{max-width:100%}figcaption{color:#5c636e}</style>
<h1>{{ heading }}</h1><p>{{ note }}</p>
{% for name, lines in tables %}<h2>{{ name }}</h2><table><tr><th></th>
{%- for column in columns %}<th>{{ column.heading }}</th>{% endfor %}<th>tasks</th><th>failed</th></tr>
{%- for entry in lines %}<tr><td>{{ entry.title }}</td>
{%- for column in columns %}<td>{{ cell(entry, column.name) }}</td>{% endfor %}
<td>{{ entry.tasks }}</td><td>{{ entry.failed }}</td></tr>{% endfor %}</table>{% endfor %}
<h2>Failures</h2>{% for text, why, picture in bad %}<figure>
{%- if picture %}<img src="data:image/png;base64,{{ picture }}" alt="">{% endif %}
<figcaption><b>{{ text }}</b><br>{{ why }}</figcaption></figure>{% endfor %}
"""


@dataclass(frozen=True)
class Run:
    """Everything that is reported.

    Attributes:
      heading, note: what was run, and how.
      instructions: by id.
      halves: half of each category.
      units: results by row, in the order of the table.
      record: options and versions, for the JSON.
    """

    heading: str
    note: str
    instructions: Mapping[str, Instruction]
    halves: Mapping[str, Half]
    units: Mapping[str, Sequence[Unit]]
    record: Mapping[str, Any]


def tables(run: Run) -> list[tuple[str, list[Line]]]:
    """All tasks, either half of the split, and each category for each row."""
    found = [("All tasks", [line(title(row), units, run.instructions) for row, units in run.units.items()])]
    for half, name in (("development", "Development half"), ("held_out", "Held-out half")):
        chosen = {row: [u for u in units if _half(run, u) == half] for row, units in run.units.items()}
        found.append((name, [line(title(row), units, run.instructions) for row, units in chosen.items()]))
    for row, units in run.units.items():
        by: dict[str, list[Unit]] = {}
        for unit in units:
            by.setdefault(run.instructions[unit["id"]].category, []).append(unit)
        rows = [line(category, own, run.instructions) for category, own in sorted(by.items())]
        found.append((f"{title(row)} by category", rows))
    return found


def write_report(run: Run, out: Path, pictures: Mapping[tuple[str, str], Image.Image]) -> None:
    """Write benchmark.md, benchmark.json and benchmark.html.

    Args:
      run: the results.
      out: an existing folder.
      pictures: of failures, by (row, instruction id).
    """
    shown = tables(run)
    bad = [(row, unit, why) for row, units in run.units.items() for unit, why in failures(units)]
    listed = [f"- {title(row)}, {unit['id']} ({_asked(run, unit)}): {why}" for row, unit, why in bad]
    parts = [f"# {run.heading}", run.note]
    for name, lines in shown:
        parts += [f"## {name}", markdown(lines).rstrip()]
    everything = shown[0][1]
    bench = markdown(everything, columns=(*columns_of("benchmark"), *DIVERSITY_COLUMNS)).rstrip()
    parts += ["## DexGraspBench's columns, all tasks", bench]
    if said := _fingers_table(run):
        parts += ["## Fingers where they are asked", said]
    why = {row: causes(units) for row, units in run.units.items()}
    parts += ["## What is wrong with the best grasps", *(_counted(title(r), c) for r, c in why.items())]
    spent = {row: seconds(units) for row, units in run.units.items()}
    parts += ["## Processor seconds a unit", *(_timed(title(r), s) for r, s in spent.items() if s)]
    parts += ["## Failures", "\n".join(listed) or "None."]
    write_atomic(out / "benchmark.md", ("\n\n".join(parts) + "\n").encode())
    record = {
        **run.record,
        "tables": {name: [_json(entry) for entry in lines] for name, lines in shown},
        "causes": why,
        "processor_seconds_a_unit": spent,
        "failures": [{"row": row, "id": unit["id"], "why": why} for row, unit, why in bad],
    }
    write_atomic(out / "benchmark.json", json.dumps(record, indent=1).encode() + b"\n")
    drawn = [
        (f"{title(row)}: {_asked(run, unit)}", why, _inline(pictures.get((row, unit["id"]))))
        for row, unit, why in bad
    ]
    columns = paper_columns(everything)
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    page = template.render(
        heading=run.heading,
        note=run.note,
        tables=shown,
        columns=columns,
        cell=cell,
        bad=drawn,
    )
    write_atomic(out / "benchmark.html", page.encode())


def _counted(name: str, found: Mapping[str, int]) -> str:
    return f"{name}: " + (", ".join(f"{what} {n}" for what, n in found.items()) or "nothing") + "."


def _timed(name: str, spent: Mapping[str, float]) -> str:
    stages = ", ".join(f"{stage} {s:.1f}" for stage, s in spent.items())
    return f"{name}: {sum(spent.values()):.1f} ({stages})."


def _half(run: Run, unit: Unit) -> Half:
    return run.halves[run.instructions[unit["id"]].category]


def _asked(run: Run, unit: Unit) -> str:
    instruction = run.instructions[unit["id"]]
    return f"{instruction.object} \u201c{instruction.task}\u201d"


def _inline(picture: Image.Image | None) -> str:
    if picture is None:
        return ""
    data = io.BytesIO()
    picture.quantize(128).save(data, "PNG", optimize=True)
    return base64.b64encode(data.getvalue()).decode()


def _json(entry: Line) -> dict[str, Any]:
    number = {name: (v if np.isfinite(v) else None) for name, v in entry.mean.items()}
    half = {name: (v if np.isfinite(v) else None) for name, v in entry.half.items()}
    return {
        "title": entry.title,
        "mean": number,
        "half_ci95": half,
        "tasks": entry.tasks,
        "failed": entry.failed,
    }
