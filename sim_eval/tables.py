"""Means with confidence intervals, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zdg_jax.errors import UserError

# column, heading, factor: the order and units of the paper's Tables I and II
PAPER_COLUMNS = (
    ("p_vol_cm3", "P.Vol (cm³) ↓", 1.0),
    ("p_dep_cm", "P.Dep (cm) ↓", 1.0),
    ("sim_dis_cm", "Sim.Dis (cm) ↓", 1.0),
    ("sim_suc", "Sim.Suc (%) ↑", 100.0),
    ("part_acc", "Part Acc (%) ↑", 100.0),
    ("sc_ratio", "S.C.Ratio (%) ↑", 100.0),
)
Z95 = 1.959964


@dataclass(frozen=True)
class Summary:
    """Mean of one column over the rows that have a value.

    Attributes:
      mean: NaN if there is no value.
      low, high: 95 % confidence interval of the mean; of a yes/no column Wilson's, else mean ± 1.96 s/√n.
      count: rows with a value.
      missing: rows without one (failed); they are not in the mean, so name them beside it.
    """

    mean: float
    low: float
    high: float
    count: int
    missing: int


def summarise(values: np.ndarray, failed: np.ndarray | None = None) -> Summary:
    """Mean and 95 % confidence interval of a column.

    Args:
      values: [n], real or bool; NaN is missing.
      failed: [n], rows to leave out of a real column. In a bool column a failed row counts as False, since
        leaving it out would turn failures into success.

    Returns:
      The summary.
    """
    flags = values.dtype == np.bool_
    x = values.astype(np.float64)
    if failed is not None:
        x = np.where(failed, 0.0 if flags else np.nan, x)
    kept = x[np.isfinite(x)]
    n, missing = len(kept), int(len(x) - len(kept))
    if n == 0:
        return Summary(float("nan"), float("nan"), float("nan"), 0, missing)
    mean = float(kept.mean())
    if flags:
        centre = (mean + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 / (1 + Z95**2 / n) * float(np.sqrt(mean * (1 - mean) / n + Z95**2 / (4 * n**2)))
        return Summary(mean, max(0.0, centre - half), min(1.0, centre + half), n, missing)
    half = Z95 * float(kept.std(ddof=1)) / float(np.sqrt(n)) if n > 1 else float("nan")
    return Summary(mean, mean - half, mean + half, n, missing)


def markdown_table(rows: Mapping[str, Mapping[str, np.ndarray]], columns: Sequence[str] | None = None) -> str:
    """A table in the manner of the paper's Tables I and II, one line a method.

    Args:
      rows: columns of `evaluate` by the method's name.
      columns: of `PAPER_COLUMNS`; by default those that some row has.

    Returns:
      Markdown: mean ± half the 95 % interval, number of grasps, number of failed ones.

    Raises:
      UserError: an unknown column.
    """
    known = [name for name, _, _ in PAPER_COLUMNS]
    for name in columns or ():
        if name not in known:
            raise UserError(f"column {name!r}", f"some of {', '.join(known)}", "choose other columns")
    wanted = columns if columns is not None else [c for c in known if any(c in row for row in rows.values())]
    shown = [entry for entry in PAPER_COLUMNS if entry[0] in wanted]
    lines = ["| | " + " | ".join(heading for _, heading, _ in shown) + " | grasps | failed |"]
    lines.append("|---" * (len(shown) + 3) + "|")
    for method, row in rows.items():
        size = len(next(iter(row.values()))) if row else 0
        failed = np.asarray(row["status"]) != "ok" if "status" in row else np.zeros(size, bool)
        cells = [
            _cell(np.asarray(row[name]), failed, factor) if name in row else "-" for name, _, factor in shown
        ]
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {size} | {int(failed.sum())} |")
    return "\n".join(lines) + "\n"


def _cell(values: np.ndarray, failed: np.ndarray, factor: float) -> str:
    s = summarise(values, failed)
    if s.count == 0:
        return "-"
    half = factor * (s.high - s.low) / 2
    return f"{factor * s.mean:.3g}" + (f" ± {half:.2g}" if np.isfinite(half) else "")
