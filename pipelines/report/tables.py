"""The numbers of a report, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zdg_jax.columns import shown

_ABSENT = "–"


@dataclass(frozen=True)
class Cell:
    """Text of a table cell; `kind` is "", "good", "bad" or "dim"."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """Column heads with an explanation each, and rows of cells."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]


def grasp_table(grasps: Sequence[Mapping[str, Any]], limits: Mapping[str, float]) -> Table:
    """One row a grasp: type, metrics, contact, total energy and its terms, status."""
    from zdg_jax.refine.energies import TERMS  # here: commands that only ask import no JAX

    heads = [("#", "rank"), ("grasp type", "")]
    measures = shown("report")
    heads += [
        (c.short, f"{c.hint}; good up to {limits[c.name]:g}" if c.name in limits else c.hint)
        for c in measures
    ]
    heads += [
        ("contact", "still touching after the gravity test"),
        ("approach", "free of the object by 5 mm at the pregrasp, and on the way from there"),
        ("six forces", "withstands 1 N along all six axes"),
        ("E", "weighted sum of the energy terms (eq. 8)"),
    ]
    heads += [(term.name.replace("_", " "), term.caption) for term in TERMS.values()]
    heads += [("status", "")]
    rows = []
    for place, grasp in enumerate(grasps, 1):
        row = [Cell(str(place)), Cell(str(grasp.get("grasp_type") or _ABSENT))]
        row += [_judged(grasp.get(c.name), limits.get(c.name), c.digits) for c in measures]
        row.append(_flag(grasp.get("contact_end"), "lost"))
        row.append(_flag(grasp.get("approach_free"), "blocked"))
        row.append(_flag(grasp.get("six_force_suc"), "no"))
        row.append(Cell(number(grasp.get("energy_total"), 3)))
        energy = grasp.get("energy") or {}
        row += [Cell(number(energy.get(key), 4), "dim") for key in TERMS]
        status = str(grasp.get("status") or _ABSENT)
        row.append(Cell(status, "good" if status == "ok" else "bad"))
        rows.append(tuple(row))
    return Table(tuple(heads), tuple(rows))


def headline(
    trace: Mapping[str, Any], grasps: Sequence[Mapping[str, Any]], limits: Mapping[str, float]
) -> list[tuple[str, str]]:
    """The few figures at the top: (caption, value)."""
    figures = [("grasps kept", str(len(grasps)))]
    if limits and grasps:
        figures.append(("within all limits", str(sum(_within(g, limits) for g in grasps))))
    if grasps:
        first = grasps[0]
        figures += [
            (f"{c.short} of #1", f"{number(first.get(c.name), c.digits)} {c.hint}")
            for c in shown("report")
            if "paper" in c.shown and first.get(c.name) is not None
        ]
    if trace.get("seconds") is not None:
        figures.append(("reasoning", f"{trace['seconds']:.1f} s"))
    return figures


def number(value: Any, digits: int) -> str:
    """A number with so many decimals; a dash where there is none."""
    if value is None or not math.isfinite(float(value)):
        return _ABSENT
    return f"{float(value):.{digits}f}"


def _judged(value: Any, limit: float | None, digits: int) -> Cell:
    text = number(value, digits)
    if text == _ABSENT or limit is None:
        return Cell(text)
    return Cell(text, "good" if float(value) <= limit else "bad")


def _flag(value: Any, if_not: str) -> Cell:
    return Cell(_ABSENT) if value is None else Cell("yes", "good") if value else Cell(if_not, "bad")


def _within(grasp: Mapping[str, Any], limits: Mapping[str, float]) -> bool:
    values = [grasp.get(key) for key in limits]
    return all(v is not None and float(v) <= limits[k] for k, v in zip(limits, values, strict=True)) and (
        grasp.get("contact_end") is not False and grasp.get("approach_free") is not False
    )
