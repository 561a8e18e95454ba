"""Our own `grasps.parquet` with its `dataset_info.json`."""

from __future__ import annotations

from pathlib import Path

from pipelines.dataset import GRASPS_FILE, column_array, read_dataset
from pipelines.formats.grasp_file import GraspFile, ObjectSource
from zdg_jax.errors import UserError

NAME = "zdg"


def detect(path: Path) -> bool:
    """A parquet file by its first bytes or its ending, or a folder with ours."""
    if path.is_dir():
        return (path / GRASPS_FILE).is_file()
    return path.suffix == ".parquet" or path.read_bytes()[:4] == b"PAR1"


def read(path: Path, hand: str | None = None) -> GraspFile:
    """Every row, failed ones included; the objects are those of `dataset_info.json`.

    Raises:
      UserError: what `read_dataset` refuses, another hand than the file's.
    """
    table, info = read_dataset(path)
    if hand not in (None, info["hand"]):
        raise UserError(f"--hand {hand}", f"{info['hand']}, the file's own", "leave --hand out")
    known = info.get("objects", {})
    names, shas = table["object_id"].to_pylist(), table["mesh_sha256"].to_pylist()
    objects = {}
    for name, sha in dict(zip(names, shas, strict=True)).items():
        if name not in known:
            raise UserError(f"object {name}", "an entry in dataset_info.json", "synthesize it again")
        entry = known[name]
        up = entry["up"] or ("z" if entry["source"].startswith("ycb:") else "y")
        objects[name] = ObjectSource(name, entry["source"], entry["scale"], up, sha)
    return GraspFile(
        path=str(path), format=NAME, hand=info["hand"], grasp_id=tuple(table["grasp_id"].to_pylist()),
        object_key=tuple(names), category=tuple(known[n]["name"] or "" for n in names),
        hand_pose=column_array(table, "hand_pose"), joints=column_array(table, "joints"),
        pregrasp=column_array(table, "pregrasp_joints"), squeeze=column_array(table, "squeeze_joints"),
        status=tuple(table["status"].to_pylist()), status_reason=tuple(table["status_reason"].to_pylist()),
        objects=objects, turned=True,
        pregrasp_pose=column_array(table, "pregrasp_pose") if "pregrasp_pose" in table.column_names else None,
    )  # fmt: skip
