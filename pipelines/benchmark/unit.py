"""What one unit of work is, an instruction in a row, and the file that keeps its result."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

import prompts
from pipelines.benchmark.methods import MethodGrasps
from pipelines.dataset import write_atomic
from pipelines.formats.grasp_file import UNREADABLE
from pipelines.options import ChooseOptions, LoopOptions
from pipelines.pictures import judged_grasp
from sim_eval.benchmark.instructions import Instruction
from sim_eval.select.select import closed, measured
from zdg_jax.api import make_reasoner
from zdg_jax.columns import COLUMNS
from zdg_jax.errors import UserError, storable
from zdg_jax.grasps import Grasps
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.parts.named import named_parts
from zdg_jax.reasoning.judge import Exhibit, Verdict, judge
from zdg_jax.reasoning.protocol import Reasoner, looks

FORM = 5  # of the unit files


@dataclass(frozen=True, kw_only=True)
class UnitOptions(LoopOptions, ChooseOptions):
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
      segmenter: who finds parts in pictures.
      select, hypotheses: the paper's rows are kept by gravity, of one hypothesis.
      types: grasp types that are offered.
      points: whether the oracle asks for points where an instruction has labels for them.
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
    segmenter: str = "geometric"
    select: str = "gravity"
    hypotheses: int = 1
    types: Literal["all", "paper"] = "paper"
    points: bool = True

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
    # these came later; at their defaults they change nothing of what earlier runs have written
    for name in ("steps", "optimizer", "select", "segmenter", "hypotheses", "types", "points"):
        if own[name] == getattr(UnitOptions, name):
            del own[name]
    row = f"{row} from C" if row == "wo_initial" else row  # it was what `random_approach` is
    said = [FORM, instruction.model_dump(mode="json", exclude_none=True), row, own]
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
        pose, joints = given
        found = measured(
            method.hand, obj, Grasps.of(method.hand.name, method.hand.active_names, pose, joints),
            target_mask(obj, instruction),
        )  # fmt: skip
        if method.name in options.six_force:
            found = closed(method.hand, obj, found)
        rows = unit_rows(found)
        empty = {"status": UNREADABLE, "hand_pose": None, "joints": None}
        rows += [{**empty, "status_reason": why, "rank": k} for k, why in enumerate(broken, start=len(rows))]
        result = {"status": "ok", "status_reason": "", "grasps": rows}
    result |= {"hand": method.hand.reference, "source": method.source(instruction.id)}
    return written(out, method.name, instruction, options, result)


def target_mask(obj: ObjectModel, instruction: Instruction) -> np.ndarray:
    """The samples on the instruction's hand and functional parts: what Part Acc. and S.C.Ratio count."""
    return named_parts(obj).samples_of(obj, (*instruction.hand_parts, *instruction.func_parts))


def measures() -> tuple[str, ...]:
    """Names of the measures that a unit's file keeps."""
    shown = [c.name for c in COLUMNS.values() if {"paper", "benchmark"} & {*c.shown}]
    return (*shown, "contact_end", "six_force_held", "thumb_point_cm", "index_point_cm")


def unit_rows(grasps: Grasps) -> list[dict[str, Any]]:
    """Measured grasps, best first, as they stand in the file."""
    names = [name for name in measures() if name in grasps]
    return [
        {name: _plain(grasps[name][i]) for name in names}
        | {"status": str(grasps.status_name[i]), "status_reason": str(grasps.status_reason[i])}
        | {"hand_pose": grasps.hand_pose[i].tolist(), "joints": grasps.joints[i].tolist(), "rank": i}
        | ({"energy_total": float(grasps["energy_total"][i])} if "energy_total" in grasps else {})
        for i in range(len(grasps))
    ]


def _plain(value: Any) -> bool | float | None:
    """JSON has no NaN: null."""
    if isinstance(value, np.bool_ | bool):
        return bool(value)
    return float(value) if np.isfinite(value) else None


def judge_of(name: str | None, max_usd: float | None) -> Reasoner | None:
    """Who gives P.Score, if anybody; looked at before the work.

    Raises:
      UserError: who sees no pictures, a limit for nobody, or what `make_reasoner` lacks.
    """
    if name is None:
        if max_usd is not None:
            raise UserError("--max-usd without --judge", "a judge to pay", "leave it out, or name a judge")
        return None
    judging = make_reasoner(name, max_usd=max_usd, check=True)
    if not looks(judging):
        raise UserError(
            f"the judge {name!r}, which looks at no pictures", "a multimodal model",
            "choose one, e.g. openai:MODEL, gemini:MODEL or local:PATH",
        )  # fmt: skip
    return judging


def judge_units(
    units: Mapping[str, Sequence[dict[str, Any]]],
    instructions: Mapping[str, Instruction],
    hands: Mapping[str, HandModel],
    judging: Reasoner,
    out: Path,
    seed: int = 0,
) -> list[Verdict]:
    """P.Score (paper IV-A): of each row and category one kept grasp, drawn by chance, is judged.

    The score is put into the grasp as `p_score`, and the verdict into `out`/judged/ROW/CATEGORY.json, from
    where it is read the next time, unless grasp, judge or prompt is another.

    Args:
      units: results by row.
      instructions: by id.
      hands: by row.
      judging: must look at pictures.
      out: the run's folder.
      seed: of what is drawn.

    Returns: the verdicts that were asked for; one without a score says why.
    """
    asked: list[tuple[Path, str, dict[str, Any], Exhibit]] = []
    for row, own in units.items():
        by: dict[str, list[tuple[Instruction, dict[str, Any]]]] = {}
        for unit in own:
            one = instructions[unit["id"]]
            by.setdefault(one.category, []).extend((one, g) for g in unit["grasps"] if g.get("hand_pose"))
        for category, grasps in by.items():
            if not grasps:
                continue
            drawn = hashlib.sha256(f"{seed} {row} {category}".encode()).digest()
            one, grasp = grasps[int.from_bytes(drawn[:4]) % len(grasps)]
            told = [one.id, grasp["hand_pose"], grasp["joints"], judging.name, prompts.version("judge"), seed]
            key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
            path = out / "judged" / row / f"{category}.json"
            if (known := stored_unit(path, key)) is not None and known["score"] is not None:
                grasp["p_score"] = known["score"]
                continue
            picture = judged_grasp(load_object(one.object, seed=seed), hands[row], grasp)
            asked.append((path, key, grasp, Exhibit(one.id, one.task, one.object_name, picture)))
    verdicts = asyncio.run(judge([exhibit for *_, exhibit in asked], judging))
    for (path, key, grasp, _), verdict in zip(asked, verdicts, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, storable(json.dumps({"key": key, **asdict(verdict)})).encode() + b"\n")
        if verdict.score is not None:
            grasp["p_score"] = verdict.score
    return verdicts
