"""Grasps from rows as they stand in a file, for tests that write files by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zdg_jax.columns import COLUMNS, TASK_COLUMNS
from zdg_jax.grasps import Grasps

_FIELDS = ("hand_pose", "joints", "pregrasp_pose", "pregrasp_joints", "squeeze_joints")


def grasps_of(rows: Sequence[Mapping[str, Any]], joint_names: Sequence[str], hand: str = "human16") -> Grasps:
    """Every row a task of its own; a column that a row lacks is missing there."""
    active = len(joint_names)
    widths = {"pose": (7,), "joints": (active,)}

    def column(name: str) -> np.ndarray:
        kind = COLUMNS[name].kind
        if kind in ("text", "texts", "calls"):
            values = np.empty(len(rows), object)
            values[:] = [row.get(name) for row in rows]
            return values
        nothing = np.full(widths.get(kind, ()), np.nan)
        return np.array([nothing if row.get(name) is None else row[name] for row in rows], np.float64)

    known = dict.fromkeys(name for row in rows for name in row)
    own = (*_FIELDS, *TASK_COLUMNS, "hand", "status", "status_reason", "energy")
    columns = {name: column(name) for name in known if name not in own}
    for term in dict.fromkeys(t for row in rows for t in row.get("energy", {})):
        columns[f"energy.{term}"] = np.array([row.get("energy", {}).get(term, np.nan) for row in rows])
    return Grasps.of(
        hand, joint_names, column("hand_pose"), column("joints"),
        status=[row["status"] for row in rows], status_reason=[row["status_reason"] for row in rows],
        columns=columns, tasks=[{k: v for k, v in row.items() if k in TASK_COLUMNS} for row in rows],
        task_index=np.arange(len(rows)),
    ).with_columns({name: column(name) for name in _FIELDS if name in known})  # fmt: skip
