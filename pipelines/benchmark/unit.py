"""One unit of work: one instruction in one row, from the object to measured grasps in a file of its own."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import selection
from pipelines.benchmark.methods import MethodGrasps
from pipelines.benchmark.rows import ROWS
from pipelines.dataset import write_atomic
from sim_eval.benchmark.instructions import Instruction
from sim_eval.benchmark.oracle import LabelledParts
from sim_eval.evaluate import evaluate
from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.named_parts import named_parts, with_named_parts
from zdg_jax.reasoning.config import ReasonConfig
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.render.cameras import best_view, side_views, visible_pixels
from zdg_jax.render.raycast import render
from zdg_jax.render.surface import Surface

SHORTLIST = 3  # simulated grasps for every kept one
MEASURES = (
    "p_dep_cm", "p_dep_object_cm", "p_vol_cm3", "sim_dis_cm", "sim_suc", "contact_end",
    "part_acc", "sc_ratio",
)  # fmt: skip
FORM = 2  # of the unit files


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
    """

    reasoner: str = "offline"
    others: str = "offline"
    hand: str = "human16"
    num: int = 64
    keep: int = 4
    seed: int = 0
    named: bool = True


def unit_path(out: Path, row: str, instruction: Instruction) -> Path:
    """Where a unit's result is kept."""
    return out / "units" / row / f"{instruction.id}.json"


def unit_key(instruction: Instruction, row: str, options: UnitOptions) -> str:
    """Hash of all that a unit's result depends on besides the code."""
    said = [FORM, instruction.model_dump(mode="json"), row, asdict(options)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def stored_unit(path: Path, key: str) -> dict[str, Any] | None:
    """The unit's result, if a run with the same key has finished it."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if result.get("key") == key else None


def run_unit(
    instruction: Instruction, row: str, options: UnitOptions, hand: HandModel, reasoner: Reasoner, out: Path
) -> dict[str, Any]:
    """Reason, refine, measure, and write; a unit that fails says so in its status.

    Args:
      instruction: what is asked.
      row: a name of `ROWS`.
      options: see `UnitOptions`.
      hand: already loaded.
      reasoner: answers what the labels do not.
      out: the run's folder.

    Returns:
      what was written: key, id, row, status, status_reason, grasps (measures and poses), seconds.
    """
    started, cpu = time.perf_counter(), time.process_time()
    result: dict[str, Any] = {"key": unit_key(instruction, row, options), "id": instruction.id, "row": row}
    try:
        obj = load_object(
            instruction.object, name=instruction.object_name if options.named else None, seed=options.seed
        )
        result |= _synthesised(obj, instruction, row, options, hand, reasoner)
    except UserError as error:
        result |= {"status": "bad_object", "status_reason": str(error), "grasps": []}
    except Exception as error:  # a fault of ours in one unit must not end a run of hours
        traceback.print_exc()
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        result |= {"status": "crashed", "status_reason": reason, "grasps": []}
    result |= {
        "seconds": round(time.perf_counter() - started, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }
    return _written(out, row, instruction, result)


def measure_unit(
    instruction: Instruction, method: MethodGrasps, options: UnitOptions, out: Path
) -> dict[str, Any]:
    """Measure another method's grasps for one instruction; none given is a failure of that method."""
    started = time.perf_counter()
    result: dict[str, Any] = {
        "key": unit_key(instruction, method.name, options), "id": instruction.id, "row": method.name,
    }  # fmt: skip
    given = method.grasps.get(instruction.id)
    if given is None:
        result |= {"status": "no_grasp", "status_reason": "the file has none for it", "grasps": []}
    else:
        obj = load_object(instruction.object, seed=options.seed)
        columns = evaluate(method.hand, obj, *given, part=target_mask(obj, instruction))
        result |= {"status": "ok", "status_reason": "", "grasps": _grasps(columns, *given)}
    result["seconds"] = round(time.perf_counter() - started, 2)
    return _written(out, method.name, instruction, result)


def target_mask(obj: ObjectModel, instruction: Instruction) -> np.ndarray:
    """The samples on the instruction's hand and functional parts: what Part Acc. and S.C.Ratio count."""
    return named_parts(obj).samples_of(obj, (*instruction.hand_parts, *instruction.func_parts))


def given_view(obj: ObjectModel, instruction: Instruction) -> int:
    """The side view that shows the labelled parts best: stands for the paper's choice by hand."""
    parted, names = with_named_parts(obj)
    wanted = [names.index(n) + 1 for n in {*instruction.hand_parts, *instruction.func_parts}]
    frames = [render(Surface.of(obj.mesh), camera) for camera in side_views(obj.mesh, size=256)]
    return best_view([visible_pixels(frame, parted.face_part) for frame in frames], wanted)


def _synthesised(
    obj: ObjectModel,
    instruction: Instruction,
    row: str,
    options: UnitOptions,
    hand: HandModel,
    reasoner: Reasoner,
) -> dict[str, Any]:
    kind = ROWS[row]
    mask = target_mask(obj, instruction)
    view = given_view(obj, instruction) if kind.view == "given" else None
    asked, answers = obj, reasoner
    if options.reasoner == "oracle":
        asked, names = with_named_parts(obj)
        answers = LabelledParts(instruction, names, reasoner)
    said = api.reason_task(
        asked, hand, instruction.task, answers, seed=options.seed, ablate=kind.ablate,
        config=ReasonConfig(view_index=view),
    )  # fmt: skip
    grasp, guidance, initial = said.grasp, said.grasp.guidance, said.grasp.initial
    if grasp.status != "ok" or guidance is None or initial is None:
        return {"status": grasp.status, "status_reason": grasp.status_reason, "grasps": []}
    if options.reasoner == "oracle" and kind.ablate != "contact":
        grasp = replace(grasp, guidance=_labelled(obj, instruction, guidance))
    num = 1 if kind.ablate == "refine" else options.num  # G' itself, not its jittered copies
    refined = api.refine_task(asked, hand, grasp, num=num, seed=options.seed, ablate=kind.ablate)
    chosen = selection.shortlist(np.asarray(refined.score), refined.status, SHORTLIST * options.keep)
    if len(chosen) == 0:
        status, reason = selection.why_none(refined.status, refined.status_reason)
        return {"status": status, "status_reason": reason, "grasps": []}
    pose, joints = refined.hand_pose[chosen], refined.joints[chosen]
    columns = evaluate(hand, obj, pose, joints, part=mask)
    order = selection.rank(columns, np.asarray(refined.score)[chosen])[: options.keep]
    kept = {name: np.asarray(values)[order] for name, values in columns.items()}
    return {
        "status": "ok",
        "status_reason": "",
        "direction": initial.direction,
        "grasp_type": initial.grasp_type,
        "part_ids": list(guidance.part_ids),
        **_lifting(guidance, mask),
        "grasps": _grasps(kept, pose[order], joints[order], np.asarray(refined.energy_total)[chosen][order]),
    }


def _lifting(guidance: ContactGuidance, target: np.ndarray) -> dict[str, float]:
    """Shares: of the lifted hand region on the labelled parts, and of those parts in it."""
    shared = int((guidance.hand_mask & target).sum())
    return {
        "region_precision": shared / max(int(guidance.hand_mask.sum()), 1),
        "region_recall": shared / max(int(target.sum()), 1),
    }


def _labelled(obj: ObjectModel, instruction: Instruction, lifted: ContactGuidance) -> ContactGuidance:
    """Contact as labelled, in place of what one view's mask was lifted to."""
    named = named_parts(obj)
    hand = named.samples_of(obj, instruction.hand_parts)
    return replace(lifted, hand_mask=hand, func_mask=named.samples_of(obj, instruction.func_parts))


def _grasps(
    columns: Mapping[str, np.ndarray], pose: np.ndarray, joints: np.ndarray, energy: np.ndarray | None = None
) -> list[dict[str, Any]]:
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


def _written(out: Path, row: str, instruction: Instruction, result: dict[str, Any]) -> dict[str, Any]:
    path = unit_path(out, row, instruction)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(result, indent=1).encode() + b"\n")
    return result
