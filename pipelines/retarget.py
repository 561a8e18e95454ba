"""`zdg retarget`: grasps of one hand for another, by finger keypoints, refined and simulated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from pipelines import rows as table_rows
from pipelines import selection
from pipelines.dataset import read_dataset, write_atomic, write_dataset
from pipelines.evaluate import object_again
from pipelines.keeping import MEASURED
from pipelines.progress import Steps
from pipelines.runtime import output_folder, start_jax
from zdg_jax.errors import UserError
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands import HandModel, load_hand
from zdg_jax.hands.keypoints import obstacle
from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.retarget import Retargeted, retarget
from zdg_jax.objects.model import ObjectModel
from zdg_jax.pose import wxyz_to_matrix
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.refine import Task, refine_many
from zdg_jax.refine.result import RefinedGrasps

#: Surface samples this near to a functional pad of the source are where it touches, metres.
TOUCH = 0.012
REPORT = "retarget.json"
#: What the new rows take over from the old ones.
SAME = (
    *("object_id", "object_scale", "mesh_sha256", "task", "reasoner", "seed", "config_sha", "code_version"),
    *("part_ids", "contact_points", "direction", "grasp_type", "rotation_index", "view_index", "calls"),
    "answered_by",
)


@dataclass(frozen=True)
class RetargetReport:
    """What came of a file.

    Attributes:
      out: folder of the new file.
      rows: one a grasp: `grasp_id`, `source_grasp_id`, tip errors (mm) by finger, unreachable fingers.
      kept: rows with status "ok".
      failed: rows of the source or the result with another one.
      good: rows that meet `selection.LIMITS` and still touch.
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


def retarget_file(path: str, hand_name: str, out: str, *, refine: bool = True) -> RetargetReport:
    """Retarget, refine, simulate and write every grasp with status "ok".

    Refinement starts from the retargeted grasp; its hand region is the row's part(s), its functional region
    where the source's functional pads lie.

    Args:
      path: `grasps.parquet` or its folder.
      hand_name: a hand's name or card.
      out: folder.
      refine: leave refinement out if False.
    Raises:
      UserError: what file, hand or objects lack.
    """
    table, info = read_dataset(Path(path).expanduser())
    folder = output_folder(out)
    start_jax()
    source, hand = load_hand(info["hand"]), load_hand(hand_name)
    order = _order(info["joint_names"], source)
    given = table.to_pylist()
    usable = [r for r in given if r["status"] == "ok"]
    by_object: dict[str, list[dict[str, Any]]] = {}
    for row in usable:
        by_object.setdefault(row["object_id"], []).append(row)
    written: list[dict[str, Any]] = []
    report: list[dict[str, Any]] = []
    with Steps(3 * len(by_object)).running() as steps:
        for object_id, group in by_object.items():
            obj = object_again(object_id, info, group[0]["mesh_sha256"])
            pose = np.array([r["hand_pose"] for r in group], dtype=np.float64)
            joints = np.array([r["joints"] for r in group], dtype=np.float64)[:, order]
            with steps.step(f"retarget {len(group)} grasps of {object_id}"):
                found = retarget(
                    source, hand, pose, joints, [r["grasp_type"] for r in group], obstacle(obj.field)
                )
            with steps.step("refine"):
                refined = _refined(source, hand, obj, group, pose, joints, found, refine)
            with steps.step("simulate"):
                written += _measured(hand, obj, group, refined, found)
            report += [_tips(r, hand, found, i) for i, r in enumerate(group)]
    config = {**info["config"], "hand": hand_name, "retargeted_from": info["hand"], "refine": refine}
    versions = table_rows.versions()
    write_dataset(folder, written, table_rows.table_info(info["objects"], hand, config, versions))
    write_atomic(folder / REPORT, json.dumps(report, indent=2).encode() + b"\n")
    ok = [r for r in written if r["status"] == "ok"]
    good = int(selection.good_rows(ok).sum())
    return RetargetReport(folder, report, len(ok), len(given) - len(usable) + len(written) - len(ok), good)


def _order(names: Sequence[str], hand: HandModel) -> list[int]:
    """Places of the hand's joints in a file's columns, by name."""
    missing = [j for j in hand.active_names if j not in names]
    if missing:
        raise UserError(
            f"a file without the joints {', '.join(missing)}",
            f"those of {hand.name}",
            "use the hand's own file",
        )
    return [list(names).index(j) for j in hand.active_names]


def _refined(
    source: HandModel,
    hand: HandModel,
    obj: ObjectModel,
    group: Sequence[Mapping[str, Any]],
    pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    found: Retargeted,
    refine: bool,
) -> list[RefinedGrasps]:
    """One result a row: every row has contact regions of its own."""
    pads = posed(source, pose, joints, "pad")
    near = [source.pad_names.index(f) for f in source.functional_fingers if f in source.pad_names]
    samples = KDTree(obj.samples.points)
    tasks = []
    for i, row in enumerate(group):
        parts = tuple(row["part_ids"] or ())
        hand_mask = obj.part_mask(parts)
        hand_mask = hand_mask if hand_mask.any() else np.ones(len(obj.sample_part), dtype=bool)
        func_mask = np.zeros_like(hand_mask)
        for touched in samples.query_ball_point(pads[i, near], TOUCH):
            func_mask[touched] = True
        func_mask = func_mask if func_mask.any() else hand_mask
        R = wxyz_to_matrix(pose[i, 3:])
        initial = InitialGrasp(
            p_obj_palm=pose[i, :3] + R @ source.p_base_palm, R_obj_palm=R @ source.R_base_palm,
            grasp_type=row["grasp_type"], direction=row["direction"] or "",
            rotation_index=row["rotation_index"] or 0, view_index=row["view_index"] or 0,
        )  # fmt: skip
        guidance = ContactGuidance(hand_mask, func_mask, None, parts, parts)
        reasoned = ReasonedGrasp(row["task"], "ok", "", guidance, initial)
        tasks.append(Task(obj, reasoned, starts=(found.hand_pose[i : i + 1], found.joints[i : i + 1])))
    return refine_many(hand, tasks, config=RefineConfig(ablation="none" if refine else "refine"))


def _measured(
    hand: HandModel,
    obj: ObjectModel,
    group: Sequence[Mapping[str, Any]],
    refined: Sequence[RefinedGrasps],
    found: Retargeted,
) -> list[dict[str, Any]]:
    """Rows of the new file: each simulated, ranked within its task."""
    from sim_eval.evaluate import evaluate
    from sim_eval.measure import measure_shape

    made = []
    for i, (row, r) in enumerate(zip(group, refined, strict=True)):
        key = json.dumps([row["task_id"], hand.name])
        shared = {name: row.get(name) for name in SAME}
        shared |= {"task_id": hashlib.sha256(key.encode()).hexdigest()[:16], "hand": hand.name}
        points = None if row["contact_points"] is None else np.array(row["contact_points"], dtype=float)
        grasp = ReasonedGrasp(
            row["task"], "ok", "",
            ContactGuidance(np.zeros(0, bool), np.zeros(0, bool), points, tuple(row["part_ids"] or ()), ()),
            InitialGrasp(np.zeros(3), np.eye(3), row["grasp_type"], row["direction"] or "",
                         row["rotation_index"] or 0, row["view_index"] or 0),
        )  # fmt: skip
        new = table_rows.grasp_row(shared, hand, grasp, r, 0, {})
        new["grasp_id"] = f"{row['grasp_id']}-{hand.name}"
        lost = _unreachable(found, i)
        if new["status"] == "ok" and lost:
            new["status_reason"] = f"tips out of reach: {', '.join(lost)}"
        made.append(new)
    ok = [i for i, new in enumerate(made) if new["status"] == "ok"]
    if not ok:
        return made
    pose = np.stack([refined[i].hand_pose[0] for i in ok])
    joints = np.stack([refined[i].joints[0] for i in ok])
    columns = evaluate(hand, obj, pose, joints)
    before = measure_shape(hand, obj, found.hand_pose[ok], found.joints[ok])
    score = np.array([refined[i].score[0] for i in ok])
    for place, i in enumerate(ok):
        made[i] |= table_rows.measured_columns({n: columns[n] for n in MEASURED}, place)
        if columns["status"][place] != "ok":
            made[i] |= {"status": columns["status"][place], "status_reason": columns["status_reason"][place]}
        for name in ("p_dep_cm", "p_vol_cm3"):
            made[i][f"initial_{name}"] = float(before[name][place])
    tasks = np.array([made[i]["task_id"] for i in ok])
    for task in dict.fromkeys(tasks):
        (mine,) = np.nonzero(tasks == task)
        order = selection.rank({n: np.asarray(columns[n])[mine] for n in columns}, score[mine])
        for rank, k in enumerate(mine[order]):
            made[ok[k]]["rank"] = rank
    return made


def _unreachable(found: Retargeted, i: int) -> list[str]:
    return [f for f, reach in zip(found.fingers, found.reachable[i], strict=True) if not reach]


def _tips(row: Mapping[str, Any], hand: HandModel, found: Retargeted, i: int) -> dict[str, Any]:
    """Of the retargeted grasp, before refinement moves it to the surface."""
    return {
        "grasp_id": f"{row['grasp_id']}-{hand.name}",
        "source_grasp_id": row["grasp_id"],
        "tip_error_mm": {
            f: round(1000 * float(e), 2) for f, e in zip(found.fingers, found.tip_error[i], strict=True)
        },
        "unreachable": _unreachable(found, i),
    }
