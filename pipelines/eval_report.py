"""What `zdg eval` found: rows, tables and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from pipelines.dataset import write_atomic
from sim_eval import tables
from sim_eval.select.rank import LIMITS
from zdg_jax.columns import shown
from zdg_jax.errors import UserError, printable, storable
from zdg_jax.markdown import table

SHOWN = 12  # objects on the terminal; files have all
IDENTITY = ("grasp_id", "object_id", "category", "status", "status_reason")
INTERVAL = "95 % intervals {over}."
NAME = "metrics"
SUFFIXES = (".json", ".parquet", ".md")


@dataclass(frozen=True)
class EvalReport:
    """Measures of a file.

    Attributes:
      source, format, hand: what was read.
      protocol, backend: what was run.
      rows: one a grasp, in the file's order: grasp_id, object_id, category, status, status_reason and, where
        it could be measured, every metric (None where a number has no meaning).
      diversity: entropies of each object's set of grasps, see `sim_eval.metrics.diversity`.
    """

    source: str
    format: str
    hand: str
    protocol: str
    backend: str
    rows: list[dict[str, Any]]
    diversity: dict[str, dict[str, float | int]] = field(default_factory=dict)

    @property
    def measured(self) -> int:
        """Grasps with status "ok" after all."""
        return sum(row["status"] == "ok" for row in self.rows)

    @property
    def failed(self) -> int:
        return len(self.rows) - self.measured

    def columns(self, rows: list[dict[str, Any]] | None = None) -> dict[str, np.ndarray]:
        """The rows as columns: a missing number is NaN, a missing verdict False."""
        rows = self.rows if rows is None else rows
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return {name: _column([row.get(name) for row in rows]) for name in names}

    def means(self) -> dict[str, float]:
        """Mean of every metric of the measured grasps; of a yes/no one the share."""
        columns = self.columns([row for row in self.rows if row["status"] == "ok"])
        values = {n: v.astype(float) for n, v in columns.items() if v.dtype.kind in "fb"}
        return {n: float(np.nanmean(v)) for n, v in values.items() if np.isfinite(v).any()}

    def table(self, by: str | None = None) -> tables.Table:
        """All metrics of all grasps, or one line an object or category (`by` names the column)."""
        if by is None:
            return tables.table(
                {"all grasps": self.columns()}, known=(*shown("paper"), *shown("eval")), clusters="object_id"
            )
        names = dict.fromkeys(str(row[by]) for row in self.rows if row[by])
        lines = {name: self.columns([row for row in self.rows if str(row[by]) == name]) for name in names}
        return tables.table(lines, known=shown("paper"), clusters="object_id")

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "format": self.format,
            "hand": self.hand,
            "protocol": self.protocol,
            "backend": self.backend,
            "measured": self.measured,
            "failed": self.failed,
            "good": self.good,
            "limits": LIMITS,
            "mean": self.means(),
            "interval": self.interval(),
            "summary": tables.to_json(self.table())[0]["metrics"],
            "objects": tables.to_json(self.table("object_id")),
            "categories": tables.to_json(self.table("category")),
            "diversity": {k: {n: _finite(v) for n, v in d.items()} for k, d in self.diversity.items()},
            "grasps": self.rows,
        }

    @property
    def good(self) -> int | None:
        """Grasps within the limits; None where the protocol does not measure what they need."""
        known = [bool(row["good"]) for row in self.rows if row.get("good") is not None]
        return sum(known) if known else None

    def interval(self) -> str:
        """What the intervals stand for."""
        count = len({row["object_id"] for row in self.rows if row["status"] == "ok"})
        over = f"over {count} objects (cluster-robust)" if count > 1 else "over the grasps of this one object"
        return INTERVAL.format(over=over)

    def markdown(self) -> str:
        """The tables as a page."""
        parts = [f"# {self.source}", self.summary(), tables.upright_markdown(self.table()), self.interval()]
        for head, by in (("Objects", "object_id"), ("Categories", "category")):
            lines = self.table(by)
            if lines.lines:
                parts += [f"## {head}", tables.markdown(lines)]
        if self.diversity:
            parts += ["## Diversity (nats)", _diversity_table(self.diversity)]
        return "\n\n".join(part.strip() for part in parts) + "\n"

    def show(self, console: Console) -> None:
        """The tables on a terminal."""
        if self.measured:
            console.print(tables.upright_terminal(self.table()))
            console.print(self.interval(), highlight=False)
            by_object = self.table("object_id")
            if len(by_object.lines) > 1:
                first = tables.Table(by_object.columns, by_object.lines[:SHOWN])
                console.print(tables.terminal(first))
                if len(by_object.lines) > SHOWN:
                    console.print(f"and {len(by_object.lines) - SHOWN} more objects: --out DIR writes all")
        reasons = dict.fromkeys(
            f"{row['status']}: {row['status_reason']}" for row in self.rows if row["status"] != "ok"
        )
        for reason in list(reasons)[:SHOWN]:
            console.print(printable(reason), markup=False, highlight=False, soft_wrap=True)

    def write(self, target: Path) -> None:
        """Write a .json, .parquet or .md file, or all three into a folder; see `check_target`."""
        if not check_target(target).suffix:
            for suffix in SUFFIXES:
                self.write(target / f"{NAME}{suffix}")
            return
        if target.suffix == ".json":
            text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            data = storable(text).encode()
        elif target.suffix == ".md":
            data = storable(self.markdown()).encode()
        else:
            sink = pa.BufferOutputStream()
            pq.write_table(self.arrow(), sink, compression="zstd")
            data = sink.getvalue().to_pybytes()
        write_atomic(target, data)

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table; a row that was not measured has nulls."""
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        return pa.table({name: [row.get(name) for row in self.rows] for name in names})

    def summary(self) -> str:
        """One line for the terminal."""
        failed = f", {self.failed} failed" if self.failed else ""
        if not self.measured:
            return f"no grasp to measure{failed} in {self.source}"
        names = [*(c.name for c in shown("paper")), "gravity_hold_suc", "six_force_suc"]
        numbers = ", ".join(f"{n} {v:.3g}" for n, v in self.means().items() if n in names)
        good = "" if self.good is None else f"; {self.good} within the limits (no perturbed tests here)"
        return f"{self.measured} grasps measured{failed}; mean {numbers}{good}"


def check_target(target: Path) -> Path:
    """The path itself.

    Raises:
      UserError: neither a folder (no ending) nor a file of `SUFFIXES`.
    """
    if target.suffix and target.suffix not in SUFFIXES:
        raise UserError(f"--out {target}", "a .json, .parquet or .md file, or a folder", "choose another")
    return target


def _column(values: list[Any]) -> np.ndarray:
    present = [v for v in values if v is not None]
    if any(isinstance(v, str) for v in present):
        return np.array(["" if v is None else v for v in values])
    if present and all(isinstance(v, bool) for v in present):
        return np.array([bool(v) for v in values])
    return np.array([np.nan if v is None else float(v) for v in values])


def _diversity_table(sets: Mapping[str, Mapping[str, float | int]]) -> str:
    names = list(next(iter(sets.values())))
    return table(["object", *names], [[key, *(f"{d[n]:.3g}" for n in names)] for key, d in sets.items()])


def _finite(value: float | int) -> float | int | None:
    return value if np.isfinite(value) else None
