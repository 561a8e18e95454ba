"""What one unit of work is, an instruction in a row, and the file that keeps its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import selection
from pipelines.benchmark.methods import MethodGrasps
from pipelines.dataset import write_atomic
from pipelines.formats.collect import UNREADABLE
from pipelines.keeping import closing_columns
from sim_eval.benchmark.instructions import Instruction
from sim_eval.evaluate import evaluate
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.parts.named import named_parts

MEASURES = (
    "p_dep_cm", "p_dep_object_cm", "p_vol_cm3", "p_vol_voxel_cm3", "self_pen_cm", "sim_dis_cm", "sim_suc",
    "contact_end", "part_acc", "sc_ratio", "contact_number", "contact_distance_cm", "contact_consistency_cm",
    "force_closure", "fc_epsilon", "six_force_suc", "six_force_held", "pregrasp_gap_cm", "p_dep_collision_cm",
)  # fmt: skip
FORM = 5  # of the unit files


@dataclass(frozen=True)
class UnitOptions:
    """What changes a unit's result.

    Attributes:
      reasoner: as on the command line; "oracle" takes the parts from the labels, the rest from `others`.
      others: reasoner of the stages that `oracle` leaves.
      hand: name or card.
      num, keep: initial grasps, and grasps kept of them.
      seed: same seed, same result.
      named: whether reasoners are told what the object is called.
      choose: whether the best by energy and simulation are kept; else the first ones that refinement did not
        lose, as they come.
      six_force: rows whose kept grasps also go through DexGraspBench's test.
    """

    reasoner: str = "offline"
    others: str = "offline"
    hand: str = "human16"
    num: int = 64
    keep: int = 4
    seed: int = 0
    named: bool = True
    choose: bool = True
    six_force: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """The reasoner that is made by name; the labels need none."""
        return self.others if self.reasoner == "oracle" else self.reasoner


def unit_path(out: Path, row: str, instruction: Instruction) -> Path:
    """Where a unit's result is kept."""
    return out / "units" / row / f"{instruction.id}.json"


def unit_key(instruction: Instruction, row: str, options: UnitOptions) -> str:
    """Hash of all that a unit's result depends on besides the code."""
    own = asdict(options) | {"six_force": row in options.six_force}
    said = [FORM, instruction.model_dump(mode="json"), row, own]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def stored_unit(path: Path, key: str) -> dict[str, Any] | None:
    """The unit's result, if a run with the same key has finished it."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if result.get("key") == key else None


def written(
    out: Path, row: str, instruction: Instruction, options: UnitOptions, result: Mapping[str, Any]
) -> dict[str, Any]:
    """Put a result into its file.

    Args:
      out: the run's folder.
      row: of the table.
      instruction: what was asked.
      options: see `UnitOptions`.
      result: status, status_reason, grasps, and whatever else is known.

    Returns:
      what was written: key, id, row and the result.
    """
    said = {"key": unit_key(instruction, row, options), "id": instruction.id, "row": row, **result}
    path = unit_path(out, row, instruction)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(said).encode() + b"\n")
    return said


def failed(status: str, reason: str) -> dict[str, Any]:
    """The result of a unit without a grasp."""
    return {"status": status, "status_reason": reason, "grasps": []}


def measure_unit(
    instruction: Instruction, method: MethodGrasps, options: UnitOptions, out: Path
) -> dict[str, Any]:
    """Measure another method's grasps for one instruction; none given is a failure of that method.

    What could not be read stands behind the measured grasps, without a measure: no success either.
    """
    given, broken = method.grasps.get(instruction.id), method.broken.get(instruction.id, ())
    if given is None and broken:
        result = failed(UNREADABLE, "; ".join(broken))
    elif given is None:
        result = failed("no_grasp", "the file has none for it")
    else:
        obj = load_object(instruction.object, seed=options.seed)
        columns = evaluate(
            method.hand, obj, *given, part=target_mask(obj, instruction), backend=selection.BACKEND
        )
        if method.name in options.six_force:
            columns |= six_force(method.hand, obj, *given)
        rows = grasps(columns, *given)
        empty = {"status": UNREADABLE, "hand_pose": None, "joints": None}
        rows += [{**empty, "status_reason": why, "rank": k} for k, why in enumerate(broken, start=len(rows))]
        result = {"status": "ok", "status_reason": "", "grasps": rows}
    result |= {"hand": method.hand.reference, "source": method.source(instruction.id)}
    return written(out, method.name, instruction, options, result)


def target_mask(obj: ObjectModel, instruction: Instruction) -> np.ndarray:
    """The samples on the instruction's hand and functional parts: what Part Acc. and S.C.Ratio count."""
    return named_parts(obj).samples_of(obj, (*instruction.hand_parts, *instruction.func_parts))


def six_force(hand: Any, obj: ObjectModel, pose: np.ndarray, joints: np.ndarray, threads: int | None = None):
    """The columns of DexGraspBench's test, and of the closing that it was run with."""
    closed = closing_columns(hand, obj, pose, joints, threads)
    return {name: closed[name] for name in ("six_force_suc", "six_force_held", "pregrasp_gap_cm")}


def grasps(
    columns: Mapping[str, np.ndarray], pose: np.ndarray, joints: np.ndarray, energy: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Measured grasps, best first, as they stand in the file."""
    rows = []
    for i in range(len(pose)):
        measured = {name: _plain(columns[name][i]) for name in MEASURES if name in columns}
        rows.append(
            measured
            | {"status": str(columns["status"][i]), "status_reason": str(columns["status_reason"][i])}
            | {"hand_pose": pose[i].tolist(), "joints": joints[i].tolist(), "rank": i}
            | ({} if energy is None else {"energy_total": float(energy[i])})
        )
    return rows


def _plain(value: Any) -> bool | float | None:
    """JSON has no NaN: null."""
    if isinstance(value, np.bool_ | bool):
        return bool(value)
    return float(value) if np.isfinite(value) else None
