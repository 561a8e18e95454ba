"""`zdg retarget`: grasps of one hand for another, by finger keypoints, refined and simulated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from pipelines import provenance
from pipelines.dataset import joint_order, load_grasps, write_atomic, write_dataset
from pipelines.evaluate import object_again
from pipelines.lock import locked
from pipelines.options import LoopOptions, config_sha, values_of
from pipelines.progress import Steps
from pipelines.runtime import output_folder, start_jax
from sim_eval.evaluate import measure_shape
from sim_eval.select.select import closed, measured, ranked
from zdg_jax.grasps import Grasps, concat
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands import HandModel, load_hand
from zdg_jax.hands.keypoints import obstacle
from zdg_jax.hands.kinematics import palm_from_base, posed
from zdg_jax.hands.retarget import Retargeted, retarget
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.refine import Task, refine_many

#: Surface samples this near to a functional pad of the source are where it touches, metres.
TOUCH = 0.012
REPORT = "retarget.json"


@dataclass(frozen=True)
class RetargetReport:
    """What came of a file.

    Attributes:
      out: folder of the new file.
      rows: one a grasp: `grasp_id`, `source_grasp_id`, tip errors (mm) by finger, unreachable fingers.
      kept: rows with status "ok".
      failed: rows of the source or the result with another one.
      good: rows that meet `rank.LIMITS`, still touch and are reached freely.
    """

    out: Path
    rows: list[dict[str, Any]]
    kept: int
    failed: int
    good: int

    def summary(self) -> str:
        """One line for the terminal."""
        near = [e for r in self.rows for f, e in r["tip_error_mm"].items() if f not in r["unreachable"]]
        tips = sum(len(r["tip_error_mm"]) for r in self.rows)
        reach = f"tips {np.mean(near):.1f} mm off where reachable" if near else "no tip reachable"
        share = f"{tips - len(near)} of {tips} tips out of reach"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.kept} grasps, {self.good} good{failed}; {reach}, {share}: see {self.out}"


def retarget_file(
    path: str, hand_name: str, out: str, *, refine: bool = True, loop: LoopOptions | None = None
) -> RetargetReport:
    """Retarget, refine, simulate and write every grasp with status "ok".

    Refinement starts from the retargeted grasp; its hand region is the row's part(s), its functional region
    where the source's functional pads lie.

    Args:
      path: `grasps.parquet` or its folder.
      hand_name: a hand's name or card.
      out: folder.
      refine: leave refinement out if False.
      loop: steps and optimiser of refinement.
    Raises:
      UserError: what file, hand or objects lack.
    """
    given, info = load_grasps(Path(path).expanduser())
    folder = output_folder(out)
    start_jax()
    source, hand = load_hand(info["hand"]), load_hand(hand_name)
    loop = loop or LoopOptions()
    config = replace(loop.refine_config(), ablation="none" if refine else "refine")
    own: dict[str, Any] = {"hand": hand_name, "retargeted_from": info["hand"], "refine": refine}
    own |= values_of(LoopOptions, loop)
    order = joint_order(given.joint_names, source)
    usable = given.take(given.ok)
    object_of = np.array([task["object_id"] for task in given.tasks], object)[usable.task_index]
    written: list[Grasps] = []
    report: list[dict[str, Any]] = []
    names = list(dict.fromkeys(object_of))
    with Steps(3 * len(names)).running() as steps:
        for object_id in names:
            group = usable.take(object_of == object_id)
            obj = object_again(object_id, info, group.tasks[group.task_index[0]]["mesh_sha256"])
            pose, joints = group.hand_pose, group.joints[:, order]
            with steps.step(f"retarget {len(group)} grasps of {object_id}"):
                types = [str(kind) for kind in group["grasp_type"]]
                found = retarget(source, hand, pose, joints, types, obstacle(obj.field))
            with steps.step("refine"):
                refined = _refined(source, hand, obj, group, pose, joints, found, config)
            with steps.step("simulate"):
                written.append(_measured(hand, obj, group, refined, found, own))
            report += [_tips(group, hand, found, i) for i in range(len(group))]
    about = provenance.table_info(info["objects"], hand, {**info["config"], **own}, provenance.versions())
    done = concat(written) if written else Grasps.empty(hand.name, hand.active_names)
    with locked(folder, command="zdg retarget"):
        write_dataset(folder, done, about)
        write_atomic(folder / REPORT, json.dumps(report, indent=2).encode() + b"\n")
    kept = done.take(done.ok)
    good = int(np.asarray(kept["good"], bool).sum()) if len(kept) else 0
    return RetargetReport(folder, report, len(kept), len(given) - len(usable) + len(done) - len(kept), good)


def _refined(
    source: HandModel,
    hand: HandModel,
    obj: ObjectModel,
    group: Grasps,
    pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    found: Retargeted,
    config: RefineConfig,
) -> Grasps:
    """One refined grasp a row: every row has contact regions of its own."""
    pads = posed(source, pose, joints, "pad")
    near = [source.pad_names.index(f) for f in source.functional_fingers if f in source.pad_names]
    samples = KDTree(obj.samples.points)
    tasks = []
    for i, row in enumerate(group.tasks[t] for t in group.task_index):
        parts = tuple(row["part_ids"] or ())
        hand_mask = obj.part_mask(parts)
        hand_mask = hand_mask if hand_mask.any() else np.ones(len(obj.sample_part), dtype=bool)
        func_mask = np.zeros_like(hand_mask)
        for touched in samples.query_ball_point(pads[i, near], TOUCH):
            func_mask[touched] = True
        func_mask = func_mask if func_mask.any() else hand_mask
        p_obj_palm, R_obj_palm = palm_from_base(source, pose[i])
        initial = InitialGrasp(
            p_obj_palm=p_obj_palm, R_obj_palm=R_obj_palm,
            grasp_type=str(group["grasp_type"][i]), direction=row["direction"] or "",
            rotation_index=row["rotation_index"] or 0, view_index=row["view_index"] or 0,
        )  # fmt: skip
        guidance = ContactGuidance(hand_mask, func_mask, None, parts, parts)
        reasoned = ReasonedGrasp(row["task"], "ok", "", guidance, initial)
        tasks.append(Task(obj, reasoned, starts=(found.hand_pose[i : i + 1], found.joints[i : i + 1])))
    return concat(refine_many(hand, tasks, config=config))


def _measured(
    hand: HandModel,
    obj: ObjectModel,
    group: Grasps,
    refined: Grasps,
    found: Retargeted,
    own: Mapping[str, Any],
) -> Grasps:
    """The new file's rows: each simulated and closed, best first within its task, then those that failed."""
    tasks = []
    for old in group.tasks:
        key = json.dumps([old["task_id"], hand.name])
        sha = config_sha({**own, "of": old["config_sha"]})
        tasks.append({**old, "task_id": hashlib.sha256(key.encode()).hexdigest()[:16], "config_sha": sha})
    lost = [", ".join(_unreachable(found, i)) for i in range(len(group))]
    reason = [
        f"tips out of reach: {tips}" if tips and ok else why
        for tips, ok, why in zip(lost, refined.ok, refined.status_reason, strict=True)
    ]
    ids = [f"{name}-{hand.name}" for name in group["grasp_id"]]
    new = replace(refined, tasks=tuple(tasks), task_index=group.task_index).with_columns(
        {"grasp_id": np.array(ids, object), "status_reason": np.array(reason, object)}
    )
    if not new.ok.any():
        return new
    told = new.take(new.ok)
    kept = measured(hand, obj, told)
    before = measure_shape(
        hand, obj, found.hand_pose[new.ok], found.joints[new.ok], only=("p_dep_cm", "p_vol_cm3")
    )
    kept = kept.with_columns({f"initial_{name}": values for name, values in before.items()})
    fine = kept.ok  # what the simulation says nothing of keeps what retargeting said
    kept = kept.with_columns({"status_reason": np.where(fine, told.status_reason, kept.status_reason)})
    kept = ranked(closed(hand, obj, kept))
    rest = replace(new.take(~new.ok), tasks=kept.tasks)
    done = concat([kept, rest])
    index = np.concatenate([kept.task_index, rest.task_index])
    return replace(done, tasks=kept.tasks, task_index=index)


def _unreachable(found: Retargeted, i: int) -> list[str]:
    return [f for f, reach in zip(found.fingers, found.reachable[i], strict=True) if not reach]


def _tips(group: Grasps, hand: HandModel, found: Retargeted, i: int) -> dict[str, Any]:
    """Of the retargeted grasp, before refinement moves it to the surface."""
    return {
        "grasp_id": f"{group['grasp_id'][i]}-{hand.name}",
        "source_grasp_id": group["grasp_id"][i],
        "tip_error_mm": {
            f: round(1000 * float(e), 2) for f, e in zip(found.fingers, found.tip_error[i], strict=True)
        },
        "unreachable": _unreachable(found, i),
    }
