"""`README.md`: what came out, at which yield, how good, at what cost, made with what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.dataset import CARD_MARK
from pipelines.drivers.files import Folder, shards
from zdg_jax.columns import stored
from zdg_jax.markdown import table

_TASK_COLUMNS = (
    "object", "status", "refined", "simulated", "kept", "good", "failed", "calls_sent", "cost_usd",
    "input_tokens", "output_tokens",
)  # fmt: skip


def card(folder: Folder, manifest: Mapping[str, Any]) -> str:
    """Markdown with the front matter that dataset hubs read.

    Args:
      folder: the dataset.
      manifest: as in manifest.json.
    """
    tasks = _read(folder, "tasks", _TASK_COLUMNS)
    grasps = _read(folder, "grasps", ("status", "rank", *_measured()))
    statuses = Counter(tasks["status"].to_pylist())
    ok, count = statuses.get("ok", 0), tasks.num_rows
    config = manifest["config"]
    lines = [
        "---",
        "configs:",
        "- config_name: grasps",
        "  data_files: grasps/part-*.parquet",
        "  default: true",
        "- config_name: tasks",
        "  data_files: tasks/part-*.parquet",
        "---",
        f"{CARD_MARK}{config['hand']}",
        "",
        f"{count} of {manifest['tasks']} tasks on {len(set(tasks['object'].to_pylist()))} objects, "
        f"{grasps.num_rows} rows. One row a grasp in `grasps/`, one a task in `tasks/` (status, answers); "
        "failed ones stay, with `status` and `status_reason`. Pictures are in `images/`, meshes in "
        "`meshes/`, by content hash. Metres, radians, +y up, quaternions wxyz: `dataset_info.json`.",
        "",
        "## Yield",
        "",
        table(["stage", "in", "out", "share"], _yields(tasks, count, ok)),
        "",
        table(["status of the task", "tasks"], [(status, str(n)) for status, n in statuses.most_common()]),
        "",
        "## Measures of kept grasps",
        "",
        table(["column", "measured", "mean", "median"], _measures(grasps)),
        "",
        "## Cost",
        "",
        f"{_sum(tasks, 'calls_sent')} model calls, {_known(tasks, 'cost_usd', '$')}, "
        f"{_known(tasks, 'input_tokens')} input and {_known(tasks, 'output_tokens')} output tokens.",
        "",
        "## Made with",
        "",
        f"Configuration {manifest['config_sha']}:",
        "",
        *(f"- {name}: {value}" for name, value in config.items()),
        "",
        ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


def _read(folder: Folder, below: str, columns: tuple[str, ...]) -> pa.Table:
    tables = []
    for name in shards(folder, below):
        with folder.open(f"{below}/{name}") as file:
            tables.append(pq.read_table(file, columns=list(columns)))
    return (
        pa.concat_tables(tables) if tables else pa.table({name: pa.array([], pa.null()) for name in columns})
    )


def _yields(tasks: pa.Table, count: int, ok: int) -> list[list[str]]:
    refined, simulated, kept, good = (_sum(tasks, name) for name in ("refined", "simulated", "kept", "good"))
    steps = (
        ("tasks reasoned", count, sum(v is not None and v > 0 for v in tasks["refined"].to_pylist())),
        ("tasks with a kept grasp", count, ok),
        ("grasps simulated of those refined", refined, simulated),
        ("grasps kept of those simulated", simulated, kept),
        ("good grasps of those kept", kept, good),
    )
    return [[name, str(a), str(b), f"{100 * b / a:.1f} %" if a else ""] for name, a, b in steps]


def _measured() -> list[str]:
    return [column.name for column in stored() if column.heading or column.name == "p_score"]


def _measures(grasps: pa.Table) -> list[list[str]]:
    kept = [rank is not None for rank in grasps["rank"].to_pylist()]
    lines = []
    for name in _measured():
        values = np.array(
            [v for v, k in zip(grasps[name].to_pylist(), kept, strict=True) if k and v is not None]
        )
        if len(values):
            real = values.astype(float)
            lines.append([name, str(len(real)), f"{real.mean():.3f}", f"{np.median(real):.3f}"])
    return lines


def _sum(table: pa.Table, name: str) -> int:
    return sum(v for v in table[name].to_pylist() if v is not None)


def _known(table: pa.Table, name: str, unit: str = "") -> str:
    values = table[name].to_pylist()
    unknown = sum(v is None for v in values)
    total = sum(v for v in values if v is not None)
    told = f"{unit}{total:.4f}" if unit else str(total)
    return told + (f" (unknown for {unknown} tasks)" if unknown else "")
