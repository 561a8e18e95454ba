"""DexGraspBench's .npy, one dict a file, and BODex's and Dexonomy's of the same family (JYChen18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pipelines.formats.collect import Rows, each_file, files_of
from pipelines.formats.dexgraspnet import category
from pipelines.formats.grasp_file import GraspFile, ObjectSource, by_name
from pipelines.formats.npy import load_npy
from pipelines.formats.shadow import DEXGRASPBENCH_PALM, palm_in_base
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY, compose, inverse, relative_pose

NAME = "dexgraspbench"
SHADOW_JOINTS = 22
STAGES = ("pregrasp", "grasp", "squeeze")


def detect(path: Path) -> bool:
    """A .npy file, or a folder whose first .npy file is one, with a dict of `grasp_qpos` or `robot_pose`."""
    files = files_of(path, ".npy")
    if not files or files[0].suffix != ".npy":
        return False
    try:
        data = load_npy(files[0])
    except UserError:
        return False
    return isinstance(data, Mapping) and ("grasp_qpos" in data or "robot_pose" in data)


def read(path: Path, hand: str | None = None) -> GraspFile:
    """Grasps with pregrasp and squeeze; hand poses and the object's are in the world, metres, wxyz.

    T_obj_base = T_world_obj^-1 T_world_root T_root_base. For Shadow the root is the wrist's end that their
    MJCF keeps (palm at z = 0.034 m), or in BODex's raw files the palm; for our own hands it is link 0. Where
    the stages have poses of their own, those of pregrasp and grasp count.

    Raises:
      UserError: unreadable, a hand that can't be told or that we do not have, another number of joints.
    """
    first = load_npy(files_of(path, ".npy")[0])
    model = load_hand(hand or _hand_of(first, path))
    rows = Rows(model)

    def read_one(file: Path, label: str) -> None:
        data = load_npy(file)
        if not isinstance(data, Mapping) or not {"grasp_qpos", "robot_pose"} & set(data):
            raise UserError(f"{file.name}", "a dict with grasp_qpos or robot_pose", "check the file")
        stages = _stages(data, model, file.name)
        source, world_obj = _object(data, file)
        benchmark = "grasp_qpos" in data
        poses = {k: relative_pose(world_obj, _base(model, v[:, :7], benchmark)) for k, v in stages.items()}
        pose = poses["grasp"]
        names = list(data.get("joint_names", model.active_names))
        joints = {k: by_name(names, v[:, 7:], model, file.name) for k, v in stages.items()}
        count = len(pose)
        ids = [str(data.get("grasp_id", label))] if count == 1 else [f"{label}-{i:04d}" for i in range(count)]
        kind = category(source.name)
        rows.add(
            ids, source, kind, pose, joints["grasp"], joints.get("pregrasp"), joints.get("squeeze"),
            pregrasp_pose=poses.get("pregrasp"),
        )  # fmt: skip

    each_file(rows, path, ".npy", read_one)
    return rows.finish(path, NAME)


def write(folder: Path, name: str, grasps: GraspFile, index: Sequence[int]) -> list[Path]:
    """Write `NAME/GRASP_ID.npy` for each grasp, keys as the benchmark's `convert_format.py` makes them.

    `obj_path` is absolute: the benchmark looks for a relative one below its own checkout.

    Args:
      folder: an existing folder; the mesh is expected in its `objects/NAME`, at scale 1.
      name: of the object, as a file name.
      grasps: whose rows to write; a stage that the file lacks is the grasp itself.
      index: which rows.

    Returns:
      The files.
    """
    model = load_hand(grasps.hand)
    before = grasps.hand_pose if grasps.pregrasp_pose is None else grasps.pregrasp_pose
    before = np.where(np.isfinite(before).all(axis=1, keepdims=True), before, grasps.hand_pose)
    poses = [pose[index] for pose in (before, grasps.hand_pose, grasps.hand_pose)]
    if grasps.hand == "shadow":
        poses = [compose(compose(p, palm_in_base(model)), inverse(_palm())) for p in poses]
    (folder / name).mkdir(exist_ok=True)
    places = []
    for i, *roots in zip(index, *poses, strict=True):
        joints = dict(zip(STAGES, (grasps.pregrasp[i], grasps.joints[i], grasps.squeeze[i]), strict=True))
        stages = {
            f"{stage}_qpos": np.concatenate([root, q if np.isfinite(q).all() else grasps.joints[i]])
            for root, (stage, q) in zip(roots, joints.items(), strict=True)
        }
        entry = {
            "obj_path": str((folder / "objects" / name).resolve()),
            "obj_scale": 1.0,
            "obj_pose": IDENTITY.copy(),
            **stages,
            "hand_name": grasps.hand,
            "joint_names": list(model.active_names),
            "grasp_id": grasps.grasp_id[i],
        }
        places.append(folder / name / f"{grasps.grasp_id[i].replace('/', '_')}.npy")
        np.save(places[-1], np.array(entry, dtype=object), allow_pickle=True)
    return places


def _hand_of(data: Any, path: Path) -> str:
    name = data.get("hand_name", data.get("hand_type"))
    if name is not None:
        return str(name)
    width = np.asarray(data.get("grasp_qpos", data.get("robot_pose"))).shape[-1]
    if width - (0 if "grasp_pose" in data else 7) == SHADOW_JOINTS:
        return "shadow"
    raise UserError(
        f"{path} with {width} numbers a grasp and no hand_name",
        "a hand that can be told",
        "name it with --hand",
    )


def _stages(data: Mapping[str, Any], model: HandModel, label: str) -> dict[str, Float[np.ndarray, "n q"]]:
    """Pose and joints of each stage there is, [grasps, 7 + joints]."""
    if "grasp_qpos" not in data:  # BODex: [1, grasps, stages, 7 + joints], Shadow's thumb first
        raw = np.asarray(data["robot_pose"], np.float64)
        raw = raw.reshape(-1, *raw.shape[-2:])
        if raw.shape[1] < 3:
            raise UserError(f"{label} with {raw.shape[1]} stages", ", ".join(STAGES), "check the file")
        if model.name == "shadow":
            raw = np.concatenate([raw[..., :7], raw[..., 12:], raw[..., 7:12]], axis=-1)
        stages = {stage: raw[:, k] for k, stage in enumerate(STAGES)}
    else:
        stages = {}
        for stage in STAGES:
            if f"{stage}_qpos" not in data:
                continue
            q = np.atleast_2d(np.asarray(data[f"{stage}_qpos"], np.float64))
            if "grasp_pose" in data:  # the older layout keeps pose and joints apart
                pose = np.asarray(data.get(f"{stage}_pose", data["grasp_pose"]), np.float64)
                q = np.concatenate([np.broadcast_to(pose, (len(q), 7)), q], axis=1)
            stages[stage] = q
    want = 7 + len(model.active_names)
    for stage, q in stages.items():
        if q.shape[1] != want:
            raise UserError(
                f"{label} with {q.shape[1]} numbers in {stage}_qpos",
                f"{want} for {model.name}: pose and {want - 7} joints",
                "name the hand with --hand; hands on arms can't be read",
            )
    return stages


def _base(
    model: HandModel, world_root: Float[np.ndarray, "n 7"], benchmark: bool
) -> Float[np.ndarray, "n 7"]:
    if model.name != "shadow":
        return world_root
    palm = compose(world_root, _palm()) if benchmark else world_root
    return compose(palm, inverse(palm_in_base(model)))


def _palm() -> np.ndarray:
    return np.array(DEXGRASPBENCH_PALM)


def _object(data: Mapping[str, Any], file: Path) -> tuple[ObjectSource, Float[np.ndarray, "7"]]:
    """(where its mesh is, its pose in the world)."""
    if isinstance(data.get("scene_cfg"), Mapping):  # Dexonomy
        bodies = data["scene_cfg"].get("scene", {})
        found = [(k, b) for k, b in bodies.items() if b.get("type") == "rigid_object"]
        if len(found) != 1:
            raise UserError(
                f"{file.name} with {len(found)} rigid objects", "one object", "scenes of many can't be read"
            )
        name, body = found[0]
        where = str(body.get("urdf_path", body.get("info_path", name)))
        where, scale, pose = where.split("/urdf/")[0].split("/info/")[0], body["scale"], body["pose"]
    else:
        where = str(data.get("obj_path", data.get("scene_path", file.parent.name)))
        scale, pose = data.get("obj_scale", 1.0), data.get("obj_pose", IDENTITY)
    scale = np.unique(np.asarray(scale, np.float64))
    if len(scale) != 1:
        raise UserError(f"{file.name} with {len(scale)} scales", "one scale along all axes", "check the file")
    return (
        ObjectSource(Path(where).name, where, float(scale[0])),
        np.asarray(pose, np.float64).reshape(-1, 7)[0],
    )
