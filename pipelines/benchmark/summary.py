"""From unit results to tables: every instruction counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.benchmark.rows import ROWS
from sim_eval.benchmark.instructions import Instruction
from sim_eval.metrics.diversity import first_component_share
from sim_eval.statistics import summarise
from zdg_jax.columns import COLUMNS, Column, shown
from zdg_jax.markdown import table

SIMULATED = ("sim_dis_cm", "sim_suc")  # "we exclude tasks involving Twist" (paper IV-A)
# of a row's set of grasps, not of one: DexGraspBench takes all evaluated ones, Dexonomy those that succeeded
DIVERSITY_COLUMNS = (
    Column("diversity", "real", "diversity: first principal component, all grasps (%) ↓", 100.0),
    Column("diversity_held", "real", "of those held (%) ↓", 100.0),
)
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
    robust to clusters (`sim_eval.statistics`) where several instructions share an object.
    A task without a grasp counts as 0 in shares (`Column.share`) and is left out of lengths and volumes.
    """
    mean, half = {}, {}
    for name, factor in ((c.name, c.factor) for c in (*shown("paper"), *shown("benchmark"))):
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


def seconds(units: Sequence[Unit]) -> dict[str, float]:
    """Mean processor seconds a unit by stage, of the units that say it."""
    timed = [unit["cpu"] for unit in units if unit.get("cpu")]
    stages = dict.fromkeys(stage for each in timed for stage in each)
    return {stage: sum(each.get(stage, 0.0) for each in timed) / len(timed) for stage in stages}


def markdown(lines: Sequence[Line], first: str = "", columns: Sequence[Column] | None = None) -> str:
    """A table; by default in the order and units of the paper's Tables I and II."""
    columns = shown("paper") if columns is None else columns
    rows = [[e.title, *(cell(e, c.name) for c in columns), str(e.tasks), str(e.failed)] for e in lines]
    return table([first, *(c.heading for c in columns), "tasks", "failed"], rows) + "\n"


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
