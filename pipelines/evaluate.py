"""`zdg eval`: simulate and measure the grasps of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import selection
from pipelines.dataset import column_array, read_dataset, write_atomic
from pipelines.progress import Steps
from pipelines.rows import measured_columns
from pipelines.runtime import output_folder, start_jax
from zdg_jax.errors import UserError


@dataclass(frozen=True)
class EvalReport:
    """Measures of a file.

    Attributes:
      source: the parquet file.
      protocol, backend: what was run.
      rows: {"grasp_id": ..., metric: ...}, one a measured grasp, in the file's order.
      failed: rows whose status is not "ok"; they can't be measured.
    """

    source: str
    protocol: str
    backend: str
    rows: list[dict[str, Any]]
    failed: int

    @property
    def measured(self) -> int:
        return len(self.rows)

    def means(self) -> dict[str, float]:
        """Mean of every metric (a share, for the true-or-false ones) that has any value."""
        names = (
            [name for name, value in self.rows[0].items() if not isinstance(value, str)] if self.rows else []
        )
        values = {name: np.array([row[name] for row in self.rows], dtype=float) for name in names}
        return {name: float(np.nanmean(v)) for name, v in values.items() if np.isfinite(v).any()}

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "protocol": self.protocol,
            "backend": self.backend,
            "measured": self.measured,
            "failed": self.failed,
            "good": sum(row["good"] for row in self.rows) if self.protocol == "gravity" else None,
            "limits": selection.LIMITS,
            "mean": self.means(),
            "grasps": self.rows,
        }

    def summary(self) -> str:
        """One line for the terminal."""
        failed = f", {self.failed} failed" if self.failed else ""
        if not self.rows:
            return f"no grasp to measure{failed} in {self.source}"
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in self.means().items())
        return f"{self.measured} grasps measured{failed}; mean {numbers}"


def evaluate_file(
    path: str, *, protocol: str = "gravity", backend: str = "auto", out: str | None = None
) -> EvalReport:
    """Measure every grasp with status "ok"; the objects are loaded again from where they came.

    Args:
      path: `grasps.parquet`, or its folder.
      protocol: of `sim_eval.evaluate.PROTOCOLS`.
      backend: of `sim_eval.backends.BACKENDS`.
      out: where to write the report as JSON.
    Raises:
      UserError: an unknown name, an unreadable file, a mesh that is gone or has changed.
    """
    from sim_eval.backends import resolve
    from sim_eval.evaluate import PROTOCOLS, evaluate

    if protocol not in PROTOCOLS:
        raise UserError(
            f"protocol {protocol!r}", f"one of {', '.join(PROTOCOLS)}", "choose one with --protocol"
        )
    backend = resolve(backend)
    if out is not None:
        output_folder(str(Path(out).expanduser().parent))
    table, info = read_dataset(Path(path).expanduser())
    start_jax()
    from zdg_jax.hands import load_hand

    usable = np.array([status == "ok" for status in table["status"].to_pylist()], dtype=bool)
    ids, objects = np.array(table["object_id"].to_pylist()), table["mesh_sha256"].to_pylist()
    pose, joints = column_array(table, "hand_pose"), column_array(table, "joints")
    before, after = column_array(table, "pregrasp_joints"), column_array(table, "squeeze_joints")
    found: dict[int, dict[str, Any]] = {}
    chosen = list(dict.fromkeys(ids[usable]))
    with Steps(len(chosen)).running() as steps:
        for object_id in chosen:
            with steps.step(f"measure {object_id}"):
                index = np.flatnonzero(usable & (ids == object_id))
                obj = object_again(object_id, info, objects[index[0]])
                columns = evaluate(
                    load_hand(info["hand"]), obj, pose[index], joints[index], protocol, backend=backend,
                    pregrasp=before[index], squeeze=after[index],
                )  # fmt: skip
                if protocol == "gravity":
                    columns = {**columns, "good": selection.good(columns)}
                for place, i in enumerate(index):
                    found[int(i)] = measured_columns(columns, place)
    grasp_ids = table["grasp_id"].to_pylist()
    rows = [{"grasp_id": grasp_ids[i], **found[i]} for i in sorted(found)]
    report = EvalReport(str(path), protocol, backend, rows, int((~usable).sum()))
    if out is not None:
        write_atomic(Path(out).expanduser(), json.dumps(report.to_json(), indent=2).encode() + b"\n")
    return report


def object_again(object_id: str, info: Mapping[str, Any], mesh_sha256: str) -> Any:
    """The object of stored rows, loaded from where `dataset_info.json` says it came from.

    Raises:
      UserError: unknown there, gone, or with another mesh than the rows'.
    """
    from zdg_jax.objects import load_object

    known = info.get("objects", {}).get(object_id)
    if known is None:
        raise UserError(f"object {object_id}", "an entry in dataset_info.json", "synthesize it again")
    obj = load_object(known["source"], scale=known["scale"], up=known["up"], name=known["name"])
    if obj.mesh_sha256 != mesh_sha256:
        raise UserError(
            f"{known['source']} with other contents",
            f"the mesh that {object_id} had",
            "restore it or synthesize again",
        )
    return obj
