"""`zdg eval`: simulate and measure the grasps of a file, ours or another's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.eval_report import EvalReport, check_target
from pipelines.formats import GraspFile, read_grasps
from pipelines.formats.objects import MeasuredObject, load_measured
from pipelines.progress import Steps
from pipelines.runtime import output_folder, start_jax
from sim_eval.backends import resolve
from sim_eval.evaluate import evaluate
from sim_eval.protocols import protocol as protocol_of
from sim_eval.select.rank import LIMITS, good
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import compose, make_pose

NO_OBJECT = "no_object"


def evaluate_file(
    path: str,
    *,
    protocol: str = "gravity",
    backend: str = "auto",
    out: str | None = None,
    objects: str | None = None,
    hand: str | None = None,
    up: str | None = None,
) -> EvalReport:
    """Measure every grasp with status "ok"; meshes are loaded from where the file says, or from `objects`.

    Args:
      path: a grasp file of any of `pipelines.formats`, or a folder of them.
      protocol: of `sim_eval.protocols.PROTOCOLS`.
      backend: of `sim_eval.backends.BACKENDS`.
      out: where to write: a .json, .parquet or .md file, or a folder for all three.
      objects: folder of the meshes of other people's files.
      hand: of `zdg_jax.hands`; by default the file's.
      up: axis of other people's meshes that points up; by default y.

    Returns:
      The report; rows that can't be measured are in it with their status.

    Raises:
      UserError: an unknown name, an unreadable file, not one mesh found.
    """
    protocol_of(protocol)
    backend = resolve(backend)
    if up not in (None, "x", "y", "z"):
        raise UserError(f"up axis '{up}'", "x, y or z", "name the axis of the meshes that points up")
    roots = _folder(objects)
    if out is not None:
        target = check_target(Path(out).expanduser())
        output_folder(str(target.parent if target.suffix else target))
    start_jax()
    grasps = read_grasps(path, hand)
    model = load_hand(grasps.hand)
    grasps = _turned(grasps, up)
    keys, usable = np.array(grasps.object_key), np.array([s == "ok" for s in grasps.status])
    folder = Path(path).expanduser()
    folder = folder if folder.is_dir() else folder.parent
    rows: list[dict[str, Any]] = [_row(grasps, i) for i in range(len(grasps))]
    chosen = list(dict.fromkeys(keys[usable]))
    refused: UserError | None = None
    with Steps(len(chosen)).running() as steps:
        for note in grasps.notes:
            steps.say(f"note: {note}")
        for key in chosen:
            index = np.flatnonzero(usable & (keys == key))
            with steps.step(f"measure {len(index)} grasps of {key}"):
                try:
                    obj = load_measured(grasps.objects[key], folder, roots)
                except UserError as error:
                    refused = refused or error
                    for i in index:
                        rows[i] |= {"status": NO_OBJECT, "status_reason": str(error)}
                    continue
                columns = _measure(model, obj, grasps, index, protocol, backend)
                for place, i in enumerate(index):
                    rows[i] |= measured_columns(columns, place)
    if refused is not None and all(row["status"] == NO_OBJECT for i, row in enumerate(rows) if usable[i]):
        raise refused
    report = EvalReport(
        str(path), grasps.format, grasps.hand, protocol, backend, rows, _diversities(model, grasps)
    )
    if out is not None:
        report.write(Path(out).expanduser())
    return report


def _measure(
    model: HandModel,
    obj: MeasuredObject,
    grasps: GraspFile,
    index: np.ndarray,
    protocol: str,
    backend: str,
) -> dict[str, np.ndarray]:
    # a file need not say how the hand closes: then the hand's own rule does
    columns = evaluate(
        model, obj, grasps.hand_pose[index], grasps.joints[index], protocol, backend=backend,
        pregrasp=grasps.pregrasp[index], squeeze=grasps.squeeze[index],
        pregrasp_pose=None if grasps.pregrasp_pose is None else grasps.pregrasp_pose[index], part=obj.part,
    )  # fmt: skip
    if all(name in columns for name in (*LIMITS, "contact_end")):
        columns = {**columns, "good": good(columns)}
    return columns


def measured_columns(columns: Mapping[str, np.ndarray], place: int) -> dict[str, Any]:
    """One grasp's measures as row values; a number that could not be measured (NaN) becomes null."""
    values = {name: np.asarray(column)[place] for name, column in columns.items()}
    lost = {name for name, v in values.items() if isinstance(v, np.floating) and not np.isfinite(v)}
    plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()}
    return {name: None if name in lost else v for name, v in plain.items()}


def _row(grasps: GraspFile, i: int) -> dict[str, Any]:
    return {
        "grasp_id": grasps.grasp_id[i],
        "object_id": grasps.object_key[i],
        "category": grasps.category[i] or None,
        "status": grasps.status[i],
        "status_reason": grasps.status_reason[i],
    }


def _folder(objects: str | None) -> Path | None:
    if objects is None:
        return None
    place = Path(objects).expanduser()
    if not place.is_dir():
        raise UserError(
            f"--objects {objects}, which is no folder", "the folder of the meshes", "check the path"
        )
    return place


def _turned(grasps: GraspFile, up: str | None) -> GraspFile:
    """Poses in the frame of the turned mesh; `up` is for files that do not say."""
    if grasps.turned:
        if up is not None:
            raise UserError(f"--up {up} for a file of ours", "no --up: the file says it", "leave it out")
        return grasps
    import dataclasses

    from zdg_jax.objects.load import UP_TO_Y

    objects = {k: dataclasses.replace(s, up=up or s.up) for k, s in grasps.objects.items()}
    pose = grasps.hand_pose.copy()
    before = None if grasps.pregrasp_pose is None else grasps.pregrasp_pose.copy()
    for key, source in objects.items():
        index = np.flatnonzero(np.array(grasps.object_key) == key)
        turn = make_pose(np.zeros(3), UP_TO_Y[source.up])
        pose[index] = compose(turn, pose[index])
        if before is not None:
            before[index] = compose(turn, before[index])
    return dataclasses.replace(grasps, hand_pose=pose, pregrasp_pose=before, objects=objects, turned=True)


def _diversities(model: Any, grasps: GraspFile) -> dict[str, dict[str, float | int]]:
    """Diversity of the palm's pose and the joints, one set an object."""
    from sim_eval.metrics.diversity import diversity

    palm = compose(grasps.hand_pose, make_pose(model.p_base_palm, model.R_base_palm))
    keys, usable = np.array(grasps.object_key), np.array([s == "ok" for s in grasps.status])
    return {
        str(key): diversity(
            palm[usable & (keys == key)], grasps.joints[usable & (keys == key)], model.lower, model.upper
        ).to_json()
        for key in dict.fromkeys(keys[usable])
    }


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
