"""Tables of means with confidence intervals: terminal, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from scipy.stats import t as student

from zdg_jax.columns import Column, shown
from zdg_jax.errors import UserError
from zdg_jax.markdown import table as written

# Means with confidence intervals that know that grasps of one object are not independent.
Z95 = 1.959964


@dataclass(frozen=True)
class Summary:
    """Mean of one column over the rows that have a value.

    Attributes:
      mean: NaN if there is no value.
      low, high: 95 % confidence interval of the mean, see `summarise`; NaN where none can be given.
      count: rows with a value.
      missing: rows without one (failed); they are not in the mean, so name them beside it.
      clusters: objects among them; 0 if the rows were taken as independent.
    """

    mean: float
    low: float
    high: float
    count: int
    missing: int
    clusters: int = 0

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def summarise(
    values: np.ndarray, failed: np.ndarray | None = None, clusters: np.ndarray | None = None
) -> Summary:
    """Mean and 95 % confidence interval of a column.

    Independent rows: mean ± 1.96 s/√n; of a yes/no column Wilson's interval. With clusters (the objects),
    v = G/(G-1) Σ_g (Σ_(i in g) (x_i - mean))² / n², mean ± t_(G-1) √v (Liang and Zeger 1986, with the usual
    small-sample factor); of a yes/no column Wilson's with n_eff = mean (1 - mean) / v rows, between G and n
    (Korn and Graubard 1998; where all agree n_eff = G). It stands for the population of objects, so that
    more grasps of few objects do not narrow it for long. One object alone is taken as independent rows: the
    interval then says nothing about other objects.

    Args:
      values: [n], real or bool; NaN is missing.
      failed: [n], rows to leave out of a real column. In a bool column a failed row counts as False, since
        leaving it out would turn failures into success.
      clusters: [n], which object each row belongs to.

    Returns:
      The summary.
    """
    flags = values.dtype == np.bool_
    x = values.astype(np.float64)
    if failed is not None:
        x = np.where(failed, 0.0 if flags else np.nan, x)
    known = np.isfinite(x)
    kept = x[known]
    n, missing = len(kept), int(len(x) - len(kept))
    if n == 0:
        return Summary(float("nan"), float("nan"), float("nan"), 0, missing)
    mean = float(kept.mean())
    groups = np.unique(clusters[known], return_inverse=True)[1] if clusters is not None else np.arange(n)
    G = int(groups.max()) + 1
    if clusters is None or G < 2:
        low, high = wilson(mean, n) if flags else _normal(kept, mean)
        return Summary(mean, low, high, n, missing)
    residual = np.bincount(groups, weights=kept - mean)
    variance = G / (G - 1) * float((residual**2).sum()) / n**2
    if flags:
        spread = mean * (1 - mean)
        effective = np.clip(spread / variance, G, n) if variance > 0 else n if spread > 0 else G
        low, high = wilson(mean, float(effective))
    else:
        half = float(student.ppf(0.975, G - 1)) * float(np.sqrt(variance))
        low, high = mean - half, mean + half
    return Summary(mean, low, high, n, missing, G)


def wilson(share: float, n: float | int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share among n independent trials (Wilson 1927)."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * float(np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)))
    return max(0.0, centre - half), min(1.0, centre + half)


def _normal(x: np.ndarray, mean: float) -> tuple[float, float]:
    if len(x) < 2:
        return float("nan"), float("nan")
    half = Z95 * float(x.std(ddof=1)) / float(np.sqrt(len(x)))
    return mean - half, mean + half


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


# Benchmark results as tables for a terminal.
_REFINE = (
    ("grasps", "grasps", "{:.0f}", 1.0),
    ("compile (s)", "compile_s", "{:.1f}", 1.0),
    ("run (s)", "run_s", "{:.1f}", 1.0),
    ("processor time (s)", "run_cpu_s", "{:.1f}", 1.0),
    ("tables, regions (s)", "host_s", "{:.1f}", 1.0),
    ("grasps/s", "grasps_per_s", "{:.3g}", 1.0),
    ("ratio", "ratio_to_pairwise", "{:.1f}", 1.0),
    ("by processor time", "processor_ratio_to_pairwise", "{:.1f}", 1.0),
    ("step (ms)", "step_ms", "{:.3g}", 1.0),
    ("grasps a step", "step_grasps", "{:.0f}", 1.0),
    ("recompiled", "compilations_after_first_run", "{:.0f}", 1.0),
    ("E mean", "energy.mean", "{:.3f}", 1.0),
    ("E median", "energy.median", "{:.3f}", 1.0),
    ("E ratio", "energy.ratio", "{:.4f}", 1.0),
    ("95 % from, to", "energy.ratio_ci95", "{:.3f}", 1.0),
    ("not worse (%)", "energy.not_worse", "{:.0f}", 100.0),
    ("copy rate (%)", "roofline.share_of_copy_bandwidth", "{:.2g}", 100.0),
    ("fp32 rate (%)", "roofline.share_of_fp32", "{:.2g}", 100.0),
    ("device peak (MB)", "peak_device_bytes", "{:.0f}", 1e-6),
)
_FIELDS = (
    ("build (s)", "build_s", "{:.2f}", 1.0),
    ("step (mm)", "step_mm", "{:.2f}", 1.0),
    ("MB", "bytes", "{:.1f}", 1e-6),
    ("p50 (mm)", "p50_mm", "{:.3f}", 1.0),
    ("p99 (mm)", "p99_mm", "{:.3f}", 1.0),
    ("max (mm)", "max_mm", "{:.3f}", 1.0),
)


def show_refine(report: dict[str, Any]) -> str:
    """What `bench_refine` found: paths side by side, one figure a line."""
    made, tasks, most = report["machine"], report["tasks"], report["ceilings"]
    lines = [
        _made(made),
        f"{tasks['hand']}, {tasks['objects']} objects, {tasks['tasks']} tasks, {tasks['grasps']} grasps, "
        f"{tasks['steps']} steps; energies: exact, of {tasks['compared_grasps']} starts on every path",
        f"copy {most['copy_bytes_per_s'] / 1e9:.3g} GB/s, fp32 {most['fp32_ops_per_s'] / 1e9:.4g} GFLOP/s",
    ]
    paths = report["paths"]
    table = _table("", *paths)
    for head, key, form, factor in _REFINE:
        table.add_row(head, *(_figure(row, key, form, factor) for row in paths.values()))
    return "\n".join([*lines, _drawn(table), *report["notes"]])


def show_scale(report: dict[str, Any]) -> str:
    """What `bench_scale` found."""
    table = _table("", "")
    for key, value in report["scale"].items():
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    return "\n".join([_made(report["machine"]), _drawn(table)])


def show_fields(report: dict[str, Any]) -> str:
    """What `bench_fields` found: one line an object, and the worst."""
    table = _table("object", *(head for head, *_ in _FIELDS))
    for row in report["objects"]:
        table.add_row(row["name"], *(_figure(row, key, form, factor) for _, key, form, factor in _FIELDS))
    rest = ", ".join(f"{k} {v:.4g}" for k, v in report["summary"].items() if v is not None)
    return _drawn(table) + "\n" + rest


def made_line(made: dict[str, Any]) -> str:
    """The machine of a report in one line."""
    return _made(made)


def table_text(heads: list[str], rows: list[list[str]]) -> str:
    """Cells as a table, one row each."""
    table = _table(*heads)
    for row in rows:
        table.add_row(*row)
    return _drawn(table)


def _made(made: dict[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items())
    where = f"{made['devices']} x {made['device_kind']} ({made['cpu']}, {made['cpu_count']} cores)"
    return f"{where}, {versions}, {made['date']}"


def _figure(row: dict[str, Any], key: str, form: str, factor: float) -> str:
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if value else None
    values = value if isinstance(value, list) else [value]
    return "-" if value is None else ", ".join(form.format(factor * v) for v in values)


def _table(*heads: str) -> RichTable:
    table = RichTable(box=None, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=True)
    return table


def _drawn(table: RichTable) -> str:
    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
