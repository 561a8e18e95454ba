"""DexGraspBench's .npy, one dict a file, and BODex's and Dexonomy's of the same family (JYChen18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import Field

from pipelines.formats.dexgraspnet import DEXGRASPBENCH_PALM, category, palm_in_base
from pipelines.formats.grasp_file import GraspFile, ObjectSource, Rows, by_name, each_file, files_of, first_of
from pipelines.formats.npy import load_npy, unique, write_npy
from pipelines.formats.schema import Foreign, HandName, Numbers, Scale, Word, Words, validated
from zdg_jax.errors import UserError
from zdg_jax.foreign import file_name
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY, compose, inverse, relative_pose

NAME = "dexgraspbench"
SHADOW_JOINTS = 22
STAGES = ("pregrasp", "grasp", "squeeze")


class SceneBody(Foreign):
    """One body of Dexonomy's scene."""

    type: Word | None = None
    urdf_path: Word | None = None
    info_path: Word | None = None
    scale: Scale = 1.0
    pose: Numbers = IDENTITY


class Scene(Foreign):
    scene: dict[str, SceneBody] = Field(default_factory=dict)


class DexGraspBench(Foreign):
    """A file's dict; one of `grasp_qpos` and `robot_pose` is there."""

    grasp_qpos: Numbers | None = None
    pregrasp_qpos: Numbers | None = None
    squeeze_qpos: Numbers | None = None
    grasp_pose: Numbers | None = None
    pregrasp_pose: Numbers | None = None
    squeeze_pose: Numbers | None = None
    robot_pose: Numbers | None = None
    hand_name: HandName | None = None
    hand_type: HandName | None = None
    joint_names: Words | None = None
    grasp_id: Word | None = None
    obj_path: Word | None = None
    scene_path: Word | None = None
    obj_scale: Scale = 1.0
    obj_pose: Numbers = IDENTITY
    scene_cfg: Scene | None = None


def _load(file: Path) -> DexGraspBench:
    data = load_npy(file)
    if not isinstance(data, Mapping) or not {"grasp_qpos", "robot_pose"} & set(data):
        raise UserError(f"{file.name}", "a dict with grasp_qpos or robot_pose", "check the file")
    if not isinstance(data.get("scene_cfg"), Mapping):
        data = {k: v for k, v in data.items() if k != "scene_cfg"}
    return validated(DexGraspBench, data, file.name)


def detect(path: Path) -> bool:
    """A .npy file, or a folder of them, with a dict of `grasp_qpos` or `robot_pose`."""

    def keys(file: Path) -> None:
        data = load_npy(file)
        if not isinstance(data, Mapping) or not {"grasp_qpos", "robot_pose"} & set(data):
            raise UserError(file.name, "a dict with grasp_qpos or robot_pose", "check the file")

    return first_of(path, ".npy", lambda file: keys(file) or True) is True


def read(path: Path, hand: str | None = None) -> GraspFile:
    """Grasps with pregrasp and squeeze; hand poses and the object's are in the world, metres, wxyz.

    T_obj_base = T_world_obj^-1 T_world_root T_root_base. For Shadow the root is the wrist's end that their
    MJCF keeps (palm at z = 0.034 m), or in BODex's raw files the palm; for our own hands it is link 0. Where
    the stages have poses of their own, those of pregrasp and grasp count.

    Raises:
      UserError: unreadable, a hand that can't be told or that we do not have, another number of joints.
    """
    model = (
        load_hand(hand)
        if hand
        else first_of(path, ".npy", lambda file: load_hand(_hand_of(_load(file), file)))
    )
    model = model or load_hand(_hand_of(_load(files_of(path, ".npy")[0]), path))
    rows = Rows(model)

    def read_one(file: Path, label: str) -> None:
        data = _load(file)
        if not hand and load_hand(_hand_of(data, file)).name != model.name:
            raise UserError(
                f"{file.name} of another hand", f"{model.name}, as the first file", "name one with --hand"
            )
        stages = _stages(data, model, file.name)
        source, world_obj = _object(data, file)
        benchmark = data.grasp_qpos is not None
        poses = {k: relative_pose(world_obj, _base(model, v[:, :7], benchmark)) for k, v in stages.items()}
        pose = poses["grasp"]
        names = data.joint_names or list(model.active_names)
        joints = {k: by_name(names, v[:, 7:], model, file.name) for k, v in stages.items()}
        count = len(pose)
        ids = [data.grasp_id or label] if count == 1 else [f"{label}-{i:04d}" for i in range(count)]
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
    places, taken = [], set()
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
        places.append(folder / name / f"{unique(file_name(grasps.grasp_id[i]), taken)}.npy")
        write_npy(places[-1], np.array(entry, dtype=object))
    return places


def _hand_of(data: DexGraspBench, path: Path) -> str:
    name = data.hand_name or data.hand_type
    if name is not None:
        return name
    q = data.robot_pose if data.grasp_qpos is None else data.grasp_qpos
    width = q.shape[-1] if q is not None and q.ndim else 0
    if width - (0 if data.grasp_pose is not None else 7) == SHADOW_JOINTS:
        return "shadow"
    raise UserError(
        f"{path} with {width} numbers a grasp and no hand_name",
        "a hand that can be told",
        "name it with --hand",
    )


def _stages(data: DexGraspBench, model: HandModel, label: str) -> dict[str, Float[np.ndarray, "n q"]]:
    """Pose and joints of each stage there is, [grasps, 7 + joints]."""
    if data.robot_pose is not None and data.grasp_qpos is None:
        # BODex: [1, grasps, stages, 7 + joints], Shadow's thumb first
        raw = data.robot_pose
        raw = raw.reshape(-1, *raw.shape[-2:])
        if raw.shape[1] < 3:
            raise UserError(f"{label} with {raw.shape[1]} stages", ", ".join(STAGES), "check the file")
        if model.name == "shadow":
            raw = np.concatenate([raw[..., :7], raw[..., 12:], raw[..., 7:12]], axis=-1)
        stages = {stage: raw[:, k] for k, stage in enumerate(STAGES)}
    else:
        stages = {}
        for stage in STAGES:
            given = getattr(data, f"{stage}_qpos")
            if given is None:
                continue
            q = np.atleast_2d(given)
            if data.grasp_pose is not None:  # the older layout keeps pose and joints apart
                pose = getattr(data, f"{stage}_pose")
                pose = data.grasp_pose if pose is None else pose
                q = np.concatenate([np.broadcast_to(pose, (len(q), 7)), q], axis=1)
            stages[stage] = q
        if len({len(q) for q in stages.values()}) > 1:
            raise UserError(f"{label} with stages of different lengths", "one row a grasp", "check the file")
    want = 7 + len(model.active_names)
    for stage, q in stages.items():
        if q.ndim != 2 or q.shape[1] != want:
            raise UserError(
                f"{label} with {stage}_qpos of shape {' x '.join(map(str, q.shape))}",
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


def _object(data: DexGraspBench, file: Path) -> tuple[ObjectSource, Float[np.ndarray, "7"]]:
    """(where its mesh is, its pose in the world)."""
    if data.scene_cfg is not None:  # Dexonomy
        found = [(k, b) for k, b in data.scene_cfg.scene.items() if b.type == "rigid_object"]
        if len(found) != 1:
            raise UserError(
                f"{file.name} with {len(found)} rigid objects", "one object", "scenes of many can't be read"
            )
        name, body = found[0]
        where = body.urdf_path or body.info_path or name
        where, scale, pose = where.split("/urdf/")[0].split("/info/")[0], body.scale, body.pose
    else:
        where = data.obj_path or data.scene_path or file.parent.name
        scale, pose = data.obj_scale, data.obj_pose
    if pose.size == 0 or pose.size % 7:
        raise UserError(f"{file.name} with an object pose of {pose.size} numbers", "7: xyz, wxyz", "mend it")
    return ObjectSource(Path(where).name, where, scale), pose.reshape(-1, 7)[0]
