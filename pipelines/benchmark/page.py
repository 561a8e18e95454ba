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

from pipelines.benchmark.summary import (
    DIVERSITY_COLUMNS,
    Line,
    Unit,
    causes,
    cell,
    failures,
    line,
    markdown,
    seconds,
    title,
)
from pipelines.dataset import write_atomic
from sim_eval.benchmark.instructions import Half, Instruction
from zdg_jax.columns import shown as columns_of

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
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    page = template.render(
        heading=run.heading, note=run.note, tables=shown, columns=columns_of("paper"), cell=cell, bad=drawn
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
