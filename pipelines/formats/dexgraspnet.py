"""DexGraspNet's .npy: one file an object, a list of grasps with joints by name (PKU-EPIC/DexGraspNet)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import field_validator
from scipy.spatial.transform import Rotation

from pipelines.formats.grasp_file import GraspFile, ObjectSource, Rows, by_name, each_file, files_of, first_of
from pipelines.formats.npy import load_npy, write_npy
from pipelines.formats.schema import Foreign, Scale, Word, doubles, validated
from zdg_jax.errors import UserError
from zdg_jax.hands import HAND_NAMES, load_hand
from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY, compose, inverse, rotation_to_wxyz, wxyz_to_rotation

# How other people's Shadow hands sit on ours. All of them are the same robot: palm frame with the fingers
# along +z, the index side along +x, the palm facing -y. They differ in which link is the root, in names, and
# in the sense of some joints.
PALM = "rh_palm"
FOREARM_TO_PALM_TURN = (1.0, 0.0, 0.0, 0.0)
# DexGraspBench's right_hand.xml keeps the palm's offset from the wrist that it cuts off (convert_format.py)
DEXGRASPBENCH_PALM = (0.0, 0.0, 0.034, 1.0, 0.0, 0.0, 0.0)
# DexGraspNet's MJCF counts joints from 0 and turns these the other way; ours: MuJoCo Menagerie's
_FINGERS = {"FF": 4, "MF": 4, "RF": 4, "LF": 5, "TH": 5}
_REVERSED = {"FFJ3", "MFJ3", "THJ1", "THJ0"}
#: DexGraspNet's joint name -> (ours, sign)
DEXGRASPNET_JOINTS = {
    f"robot0:{finger}J{k}": (f"rh_{finger}J{k + 1}", -1.0 if f"{finger}J{k}" in _REVERSED else 1.0)
    for finger, count in _FINGERS.items()
    for k in reversed(range(count))
}


def from_dexgraspnet(
    hand: HandModel, palm: Float[np.ndarray, "rows 7"], joints: Float[np.ndarray, "rows 22"]
) -> tuple[Float[np.ndarray, "rows 7"], Float[np.ndarray, "rows active"]]:
    """(pose of our link 0, our joints) of palm poses and joints in the order of `DEXGRASPNET_JOINTS`.

    T_obj_base = T_obj_palm T_base_palm^-1.
    """
    order = [list(DEXGRASPNET_JOINTS.values()).index(each) for each in _by_ours(hand)]
    signs = np.array([sign for _, sign in _by_ours(hand)])
    return compose(palm, inverse(palm_in_base(hand))), joints[:, order] * signs


def _by_ours(hand: HandModel) -> list[tuple[str, float]]:
    theirs = dict(DEXGRASPNET_JOINTS.values())
    return [(name, theirs[name]) for name in hand.active_names]


def palm_in_base(hand: HandModel) -> Float[np.ndarray, "7"]:
    """T_base_palm of our Shadow, wrist at 0: the pose of `rh_palm` in link 0."""
    links = posed(hand, IDENTITY, np.zeros(len(hand.active_names)), "link")
    # wrist and palm are mounted without a turn: a test compares with MuJoCo
    return np.concatenate([links[hand.link_names.index(PALM)], FOREARM_TO_PALM_TURN])


NAME = "dexgraspnet"
POSITION = ("WRJTx", "WRJTy", "WRJTz")
EULER = ("WRJRx", "WRJRy", "WRJRz")  # radians about the fixed axes x, y, z in turn: transforms3d's "sxyz"


class DexGraspNet(Foreign):
    """One grasp of a file's list."""

    qpos: dict[str, float]
    scale: Scale = 1.0
    grasp_id: Word | None = None

    @field_validator("qpos", mode="before")
    @classmethod
    def _values(cls, value: Any) -> dict[str, float]:
        if not isinstance(value, Mapping) or not 0 < len(value) <= MOST_JOINTS:
            raise ValueError("no dict of joint values")
        if not all(isinstance(name, str) for name in value):
            raise ValueError("names that are no text")
        return dict(zip(value, _flat(list(value.values())), strict=True))


MOST_JOINTS = 200


def _flat(values: list[Any]) -> list[float]:
    found = doubles(values)
    if found.shape != (len(values),):
        raise ValueError("joint values that are no numbers")
    return found.tolist()


def _load(file: Path) -> list[DexGraspNet]:
    grasps = load_npy(file)
    if not isinstance(grasps, list) or not grasps or not all(_is_grasp(g) for g in grasps):
        raise UserError(f"{file.name}", "a list of dicts with qpos and scale", "check the file")
    return [validated(DexGraspNet, grasp, f"{file.name}, grasp {i}") for i, grasp in enumerate(grasps)]


def detect(path: Path) -> bool:
    """A .npy file, or a folder of them, with a list of dicts that have `qpos`."""

    def is_list(file: Path) -> bool:
        grasps = load_npy(file)
        if not isinstance(grasps, list) or not grasps or not _is_grasp(grasps[0]):
            raise UserError(file.name, "a list of dicts with qpos", "check the file")
        return True

    return first_of(path, ".npy", is_list) is True


def read(path: Path, hand: str | None = None) -> GraspFile:
    """Grasps of DexGraspNet's Shadow hand (joints `robot0:...`), or of a hand of ours by its own joint names.

    T_obj_palm has the position WRJTx.. in metres and R = Rz Ry Rx; the object is the mesh times `scale`. Of
    Shadow link 0 is the forearm: T_obj_base = T_obj_palm T_base_palm^-1.

    Raises:
      UserError: unreadable, a joint name that the hand does not have.
    """
    told = hand or first_of(path, ".npy", lambda file: _hand_of(_load(file)[0].qpos, file))
    model = load_hand(told or _hand_of(_load(files_of(path, ".npy")[0])[0].qpos, path))
    rows = Rows(model)

    def read_one(file: Path, label: str) -> None:
        grasps = _load(file)
        pose, joints = _poses(model, grasps, file.name)
        scales = np.array([grasp.scale for grasp in grasps])
        for scale in np.unique(scales):
            of_scale = np.flatnonzero(scales == scale)
            source = ObjectSource(file.stem, scale=float(scale))
            ids = [grasps[i].grasp_id or f"{label}-{i:04d}" for i in of_scale]
            rows.add(ids, source, category(file.stem), pose[of_scale], joints[of_scale])

    each_file(rows, path, ".npy", read_one)
    return rows.finish(path, NAME)


def write(folder: Path, name: str, grasps: GraspFile, index: Sequence[int]) -> Path:
    """Write the grasps of one object as `NAME.npy`; the mesh must have scale 1.

    Args:
      folder: an existing folder.
      name: of the object, as a file name.
      grasps: whose rows to write.
      index: which rows.

    Returns:
      The file.
    """
    model = load_hand(grasps.hand)
    pose, names, values = grasps.hand_pose[index], list(model.active_names), grasps.joints[index]
    if grasps.hand == "shadow":
        pose = compose(pose, palm_in_base(model))
        signs = [sign for _, sign in DEXGRASPNET_JOINTS.values()]
        order = [model.active_names.index(ours) for ours, _ in DEXGRASPNET_JOINTS.values()]
        names, values = list(DEXGRASPNET_JOINTS), values[:, order] * signs
    euler = wxyz_to_rotation(pose[:, 3:]).as_euler("xyz")
    entries = [
        {
            "scale": 1.0,
            "qpos": dict(
                zip((*POSITION, *EULER, *names), map(float, (*p[:3], *angles, *joints)), strict=True)
            ),
            "grasp_id": grasps.grasp_id[i],
        }
        for i, p, angles, joints in zip(index, pose, euler, values, strict=True)
    ]
    place = folder / f"{name}.npy"
    write_npy(place, np.array(entries, dtype=object))
    return place


def category(code: str) -> str:
    """The class in names such as `core-mug-8570d9a8...` and `sem-Bottle-4376...`; "" in others."""
    words = code.replace("_", "-").split("-")
    return words[1].lower() if len(words) >= 3 and words[0] in ("core", "sem") else ""


def _is_grasp(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("qpos"), Mapping)


def _hand_of(qpos: Mapping[str, float], path: Path) -> str:
    names = set(qpos) - set(POSITION) - set(EULER)
    if names & set(DEXGRASPNET_JOINTS):
        return "shadow"
    for name in HAND_NAMES:
        if names & set(load_hand(name).active_names):
            return name
    raise UserError(
        f"joint {min(names, default='none')!r} in {path}",
        "joints of a known hand",
        f"valid names: {', '.join(DEXGRASPNET_JOINTS)}, or those of {', '.join(HAND_NAMES)}",
    )


def _poses(
    model: HandModel, grasps: Sequence[DexGraspNet], label: str
) -> tuple[Float[np.ndarray, "rows 7"], Float[np.ndarray, "rows active"]]:
    qpos = [grasp.qpos for grasp in grasps]
    missing = [name for name in (*POSITION, *EULER) if name not in qpos[0]]
    if missing:
        raise UserError(f"{label} without {', '.join(missing)}", "the palm's pose", "check the file")
    names = [name for name in qpos[0] if name not in (*POSITION, *EULER)]
    if any(set(q) != set(qpos[0]) for q in qpos):
        raise UserError(f"{label} with grasps of different joints", "one hand a file", "split the file")
    place, angles, values = (
        np.array([[q[name] for name in of] for q in qpos], np.float64).reshape(len(qpos), len(of))
        for of in (POSITION, EULER, names)
    )
    bad = ~np.isfinite(angles).all(axis=1, keepdims=True)
    turn = Rotation.from_euler("xyz", np.where(bad, 0.0, angles))
    pose = np.where(bad, np.nan, np.concatenate([place, rotation_to_wxyz(turn)], axis=1))
    if model.name == "shadow" and any(name.startswith("robot0:") for name in names):
        unknown = [name for name in names if name not in DEXGRASPNET_JOINTS]
        if unknown:
            valid = ", ".join(DEXGRASPNET_JOINTS)
            raise UserError(f"joint {unknown[0]!r} in {label}", "DexGraspNet's", f"valid names: {valid}")
        missing = [name for name in DEXGRASPNET_JOINTS if name not in names]
        if missing:
            raise UserError(
                f"{label} without {', '.join(missing)}", "all of Shadow's joints", "check the file"
            )
        return from_dexgraspnet(model, pose, values[:, [names.index(name) for name in DEXGRASPNET_JOINTS]])
    return pose, by_name(names, values, model, label)
