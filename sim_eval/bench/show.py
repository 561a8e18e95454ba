"""Benchmark results as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

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
        table.add_row(head, *(_cell(row, key, form, factor) for row in paths.values()))
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
        table.add_row(row["name"], *(_cell(row, key, form, factor) for _, key, form, factor in _FIELDS))
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


def _cell(row: dict[str, Any], key: str, form: str, factor: float) -> str:
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if value else None
    values = value if isinstance(value, list) else [value]
    return "-" if value is None else ", ".join(form.format(factor * v) for v in values)


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=True)
    return table


def _drawn(table: Table) -> str:
    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
