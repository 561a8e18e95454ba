"""Tables of means with confidence intervals: terminal, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table as RichTable

from sim_eval.statistics import Summary, summarise
from zdg_jax.columns import Column, shown
from zdg_jax.errors import UserError
from zdg_jax.markdown import table as written


@dataclass(frozen=True)
class Line:
    """One line of a table: rows of one name, and the summaries of the shown columns (None: no such one)."""

    name: str
    cells: tuple[Summary | None, ...]
    size: int
    failed: int


@dataclass(frozen=True)
class Table:
    """Columns and lines; see `table`."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


def table(
    rows: Mapping[str, Mapping[str, np.ndarray]],
    columns: Sequence[str] | None = None,
    *,
    known: Sequence[Column] | None = None,
    clusters: str | None = None,
) -> Table:
    """Summaries of the columns of several methods, objects or categories.

    Args:
      rows: columns of `evaluate` by the line's name; a column `status` says which rows failed.
      columns: names out of `known`; by default those that some line has.
      known: what may be shown, in order; by default the paper's columns.
      clusters: column that says which object a row belongs to; rows are taken as independent without.

    Returns:
      The table, lines in the order of `rows`.

    Raises:
      UserError: an unknown column.
    """
    known = shown("paper") if known is None else known
    names = [column.name for column in known]
    for name in columns or ():
        if name not in names:
            raise UserError(f"column {name!r}", f"some of {', '.join(names)}", "choose other columns")
    wanted = columns if columns is not None else [c for c in names if any(c in row for row in rows.values())]
    chosen = tuple(column for column in known if column.name in wanted)
    return Table(chosen, tuple(_line(name, row, chosen, clusters) for name, row in rows.items()))


def _line(name: str, row: Mapping[str, np.ndarray], chosen: Sequence[Column], clusters: str | None) -> Line:
    size = len(next(iter(row.values()))) if row else 0
    failed = np.asarray(row["status"]) != "ok" if "status" in row else np.zeros(size, bool)
    groups = np.asarray(row[clusters]) if clusters is not None and clusters in row else None
    cells = tuple(
        summarise(np.asarray(row[c.name]), failed, groups) if c.name in row else None for c in chosen
    )
    return Line(name, cells, size, int(failed.sum()))


def markdown_table(rows: Mapping[str, Mapping[str, np.ndarray]], columns: Sequence[str] | None = None) -> str:
    """A table in the manner of the paper's Tables I and II, one line a method; see `table` and `markdown`."""
    return markdown(table(rows, columns))


def markdown(made: Table) -> str:
    """Mean ± half the 95 % interval, or (low to high) where it is lopsided; grasps, and how many failed."""
    rows = [[e.name, *_texts(made.columns, e), str(e.size), str(e.failed)] for e in made.lines]
    return written(["", *(c.heading for c in made.columns), "grasps", "failed"], rows) + "\n"


def upright_markdown(made: Table) -> str:
    """The same with one metric a line, which many metrics of few lines need."""
    return written(["metric", *(line.name for line in made.lines)], _upright(made)) + "\n"


def upright_terminal(made: Table, title: str = "") -> RichTable:
    """`upright_markdown` for the terminal."""
    view = RichTable("metric", title=title or None, title_justify="left")
    for line in made.lines:
        view.add_column(line.name, justify="right")
    for cells in _upright(made):
        view.add_row(*cells)
    return view


def terminal(made: Table) -> RichTable:
    """`markdown` for the terminal."""
    view = RichTable()
    view.add_column("", no_wrap=True)
    for column in made.columns:
        view.add_column(column.heading, justify="right")
    for name in ("grasps", "failed"):
        view.add_column(name, justify="right")
    for line in made.lines:
        view.add_row(line.name, *_texts(made.columns, line), str(line.size), str(line.failed))
    return view


def to_json(made: Table) -> list[dict[str, Any]]:
    """One dict a line: mean, low, high, count, missing of every metric in its stored unit; None for NaN."""
    return [
        {
            "name": line.name,
            "grasps": line.size,
            "failed": line.failed,
            "metrics": {
                column.name: {
                    "mean": _known(cell.mean),
                    "low": _known(cell.low),
                    "high": _known(cell.high),
                    "count": cell.count,
                    "missing": cell.missing,
                    "objects": cell.clusters or None,
                }
                for column, cell in zip(made.columns, line.cells, strict=True)
                if cell is not None
            },
        }
        for line in made.lines
    ]


def _upright(made: Table) -> list[list[str]]:
    texts = [_texts(made.columns, line) for line in made.lines]
    lines = [[c.heading, *(text[i] for text in texts)] for i, c in enumerate(made.columns)]
    lines.append(["grasps", *(str(line.size) for line in made.lines)])
    lines.append(["failed", *(str(line.failed) for line in made.lines)])
    return lines


def _texts(columns: Sequence[Column], line: Line) -> list[str]:
    return [_cell(cell, column.factor) for column, cell in zip(columns, line.cells, strict=True)]


def _cell(summary: Summary | None, factor: float) -> str:
    if summary is None or summary.count == 0:
        return "-"
    mean, low, high = (factor * v for v in (summary.mean, summary.low, summary.high))
    if not np.isfinite(low):
        return f"{mean:.3g}"
    if abs(low + high - 2 * mean) > 0.02 * (high - low):  # a share's interval leans to the middle
        return f"{mean:.3g} ({low:.3g} to {high:.3g})"
    return f"{mean:.3g} ± {(high - low) / 2:.2g}"


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
