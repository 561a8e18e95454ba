"""From unit results to tables: every instruction counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.benchmark.rows import ROWS
from sim_eval.benchmark.instructions import Instruction
from sim_eval.tables import PAPER_COLUMNS, summarise

SIMULATED = ("sim_dis_cm", "sim_suc")  # "we exclude tasks involving Twist" (paper IV-A)
SHARES = ("sim_suc", "part_acc", "sc_ratio")  # a failed task counts as 0 in these
Unit = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of a table: mean and 95 % interval by column, and how many tasks it stands on."""

    title: str
    mean: dict[str, float]
    half: dict[str, float]
    tasks: int
    failed: int


def line(title: str, units: Sequence[Unit], instructions: Mapping[str, Instruction]) -> Line:
    """Mean over instructions of the mean over an instruction's kept grasps.

    Grasps of one instruction are alike, so the interval is over instructions: mean +- 1.96 s / sqrt(n).
    A task without a grasp counts as 0 in `SHARES` and is left out of lengths and volumes.
    """
    mean, half = {}, {}
    for name, factor in ((c.name, c.factor) for c in PAPER_COLUMNS):
        counted = [
            u for u in units if not (name in SIMULATED and instructions[u["id"]].affordance == "twist")
        ]
        values = np.array([_of_task(unit, name) for unit in counted], dtype=np.float64)
        found = summarise(values)
        mean[name], half[name] = factor * found.mean, factor * (found.high - found.low) / 2
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
            continue
        best = unit["grasps"][0]
        wrong = []
        if not best["part_acc"]:
            wrong.append("wrong part")
        elif (best["sc_ratio"] or 0) < 0.5:
            wrong.append(f"{100 * (best['sc_ratio'] or 0):.0f} % of the touching fingers on the part")
        if not best["sim_suc"]:
            wrong.append("not held in simulation")
        if best["p_dep_cm"] is None or best["p_dep_cm"] > 0.3:
            wrong.append(f"depth {best['p_dep_cm'] or float('nan'):.2g} cm")
        if wrong:
            found.append((len(wrong) + 2.0 * (not best["part_acc"]), unit, "; ".join(wrong)))
    return [(unit, why) for _, unit, why in sorted(found, key=lambda f: (-f[0], f[1]["id"]))]


def markdown(lines: Sequence[Line], first: str = "") -> str:
    """A table in the order and units of the paper's Tables I and II."""
    head = f"| {first} | " + " | ".join(c.heading for c in PAPER_COLUMNS) + " | tasks | failed |"
    rows = [head, "|---" * (len(PAPER_COLUMNS) + 3) + "|"]
    for entry in lines:
        cells = [cell(entry, c.name) for c in PAPER_COLUMNS]
        rows.append(f"| {entry.title} | " + " | ".join(cells) + f" | {entry.tasks} | {entry.failed} |")
    return "\n".join(rows) + "\n"


def cell(entry: Line, name: str) -> str:
    """Mean and half the interval, or a dash."""
    if not np.isfinite(entry.mean[name]):
        return "-"
    half = f" ± {entry.half[name]:.2g}" if np.isfinite(entry.half[name]) else ""
    return f"{entry.mean[name]:.3g}{half}"


def _of_task(unit: Unit, name: str) -> float:
    values = [grasp.get(name) for grasp in unit["grasps"]]
    finite = [float(value) for value in values if value is not None]
    if finite:
        # a grasp whose simulation failed has no share of success either
        return sum(finite) / (len(values) if name in SHARES else len(finite))
    return 0.0 if name in SHARES else float("nan")
