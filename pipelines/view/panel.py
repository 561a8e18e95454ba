"""The page's panel: what the shown grasp is, and its measures with their units."""

from __future__ import annotations

from html import escape

import numpy as np

from pipelines.view.stages import At
from pipelines.view.table import ViewFile
from zdg_jax.columns import COLUMNS

_FIRST = ("task", "object_id", "grasp_type", "status")
#: Then what a person looks at first; energies come last.
_SOON = (
    "rank", "good", "six_force_suc", "six_force_held", "hold_share", "sim_dis_cm", "sim_suc", "p_dep_cm",
    "p_vol_cm3",
)  # fmt: skip
_STYLE = "font-size:12px;margin:0 12px 8px"


def measures(file: ViewFile | None, row: int, message: str, at: At | None = None, *, place: str = "") -> str:
    """HTML of one row; every number with the heading of its column.

    Args:
      file, row: which; None for no grasp.
      message: what is wrong, "" for nothing.
      at: where the hand is.
      place: "3 of 8".
    """
    lines = [f'<div style="color:#b3312b;{_STYLE}">{escape(message)}</div>'] if message else []
    if file is None:
        return "".join(lines)
    told = [("grasp", f"{place} · {at.said}" if at is not None else f"{place} · no pose")]
    told += [(name, str(file.columns[name][row])) for name in _FIRST if name in file.columns]
    reason = file.grasps.status_reason[row]
    told += [("reason", reason)] if reason else []
    rest = [n for n in file.columns if not n.startswith("energy")] + list(file.columns)
    for name in dict.fromkeys([n for n in _SOON if n in file.columns] + rest):
        values = file.columns[name]
        if name in _FIRST or np.asarray(values).dtype.kind in "OUS":
            continue
        value = float(values[row])
        if np.isfinite(value):
            told.append((_heading(name), _said(name, value)))
    cells = "".join(
        f'<tr><td style="opacity:.65;padding-right:8px;width:58%">{escape(name)}</td>'
        f'<td style="word-break:break-word">{escape(value)}</td></tr>'
        for name, value in told
    )
    return "".join(lines) + f'<table style="{_STYLE};width:92%;table-layout:fixed">{cells}</table>'


def _heading(name: str) -> str:
    column = COLUMNS.get(name)
    if column is None or not column.heading:
        return name.replace("energy.", "E ").replace("_", " ")
    return column.heading.replace(" (%)", "") if column.kind == "flag" else column.heading


def _said(name: str, value: float) -> str:
    column = COLUMNS.get(name)
    if column is None:
        return f"{value:.4g}"
    if column.kind == "flag":
        return "yes" if value > 0 else "no"
    if column.kind in ("count", "int"):
        return f"{value:.0f}"
    return f"{value * column.factor:.{max(column.digits, 2)}f}"
