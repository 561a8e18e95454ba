"""Our own `grasps.parquet` with its `dataset_info.json`."""

from __future__ import annotations

from pathlib import Path

from pipelines.dataset import GRASPS_FILE, load_grasps
from pipelines.formats.grasp_file import GraspFile, ObjectSource
from zdg_jax.errors import UserError

NAME = "zdg"


def detect(path: Path) -> bool:
    """A parquet file by its first bytes or its ending, or a folder with ours."""
    if path.is_dir():
        return (path / GRASPS_FILE).is_file()
    return path.suffix == ".parquet" or _head(path) == b"PAR1"


def read(path: Path, hand: str | None = None) -> GraspFile:
    """Every row, failed ones included; the objects are those of `dataset_info.json`.

    Raises:
      UserError: what `read_dataset` refuses, another hand than the file's.
    """
    grasps, info = load_grasps(path)
    if hand not in (None, info["hand"]):
        raise UserError(f"--hand {hand}", f"{info['hand']}, the file's own", "leave --hand out")
    known = info.get("objects", {})
    objects: dict[str, ObjectSource] = {}
    for task in grasps.tasks:
        name = task["object_id"]
        if name not in known:
            raise UserError(f"object {name}", "an entry in dataset_info.json", "synthesize it again")
        entry = known[name]
        up = entry["up"] or ("z" if entry["source"].startswith("ycb:") else "y")
        objects[name] = ObjectSource(name, entry["source"], entry["scale"], up, task["mesh_sha256"])
    types = tuple(str(kind or "") for kind in grasps.columns.get("grasp_type", ()))
    names = [grasps.tasks[task]["object_id"] for task in grasps.task_index]
    return GraspFile(
        path=str(path), format=NAME, hand=info["hand"], grasp_id=tuple(grasps["grasp_id"]),
        object_key=tuple(names), category=tuple(known[n]["name"] or "" for n in names),
        hand_pose=grasps.hand_pose, joints=grasps.joints, pregrasp=grasps.pregrasp, squeeze=grasps.squeeze,
        status=tuple(map(str, grasps.status_name)), status_reason=tuple(grasps.status_reason),
        objects=objects, turned=True, pregrasp_pose=grasps.pregrasp_pose,
        grasp_type=types if any(types) else (),
    )  # fmt: skip


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)
