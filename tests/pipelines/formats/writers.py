"""Files as other people's published code writes them, from poses of the palm or the root."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

FINGERS = {"FF": 4, "MF": 4, "RF": 4, "LF": 5, "TH": 5}
DGN_JOINTS = [f"robot0:{f}J{k}" for f, n in FINGERS.items() for k in reversed(range(n))]
SHADOW = [f"rh_{f}J{k + 1}" for f, n in FINGERS.items() for k in reversed(range(n))]


def poses(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    quat = Rotation.random(count, rng=rng).as_quat()
    return np.concatenate([0.1 * rng.normal(size=(count, 3)), np.roll(quat, 1, axis=1)], axis=1)


def dexgraspnet(path: Path, palm: np.ndarray, joints: np.ndarray, scale: float = 0.08) -> Path:
    """As `main.py` of PKU-EPIC/DexGraspNet: euler angles by transforms3d's default "sxyz"."""
    entries = []
    for pose, values in zip(palm, joints, strict=True):
        R = Rotation.from_quat(np.roll(pose[3:], -1)).as_matrix()
        beta = np.arcsin(-R[2, 0])
        euler = (np.arctan2(R[2, 1], R[2, 2]), beta, np.arctan2(R[1, 0], R[0, 0]))
        qpos = dict(zip(["WRJTx", "WRJTy", "WRJTz"], pose[:3].tolist(), strict=True))
        qpos |= dict(zip(["WRJRx", "WRJRy", "WRJRz"], map(float, euler), strict=True))
        qpos |= dict(zip(DGN_JOINTS, values.tolist(), strict=True))
        entries.append({"scale": scale, "qpos": qpos, "E_pen": 0.001})
    np.save(path, entries, allow_pickle=True)
    return path


def dexgraspbench(path: Path, stages: np.ndarray, obj_pose: np.ndarray, **more: object) -> Path:
    """As `convert_format.py` of JYChen18/DexGraspBench: [3, 7 + joints]."""
    data = {"obj_pose": obj_pose, "obj_scale": 0.1, "obj_path": "assets/DGNObj/core_mug_1234"}
    data |= dict(zip(["pregrasp_qpos", "grasp_qpos", "squeeze_qpos"], stages, strict=True))
    np.save(path, {**data, **more}, allow_pickle=True)
    return path


def affordpose(path: Path, mesh: trimesh.Trimesh, labels: np.ndarray, **changes: object) -> Path:
    """As the data set's JSON; pose and dofs are those of its published sample."""
    lines = [f"v {x:.8f} {y:.8f} {z:.8f} {k}\n" for (x, y, z), k in zip(mesh.vertices, labels, strict=True)]
    lines += [f"f {a} {b} {c}\n" for a, b, c in mesh.faces + 1]
    data = {
        "rhand_mesh": [],
        "dofs": [0, 0.336588, 0.399647, 0, 0.544007, 0.377164, 0, 0.342275, 0.501948, -0.108498, 0.275122,
                 0.290949, 0, -0.872665, 0.0795779, 0],
        "rhand_trans": [24.2139, -6.34088, -60.7976],
        "rhand_quat": [0.747154, -0.625719, -0.087778, -0.206231],
        "object_mesh": lines, "trans_obj": [0, 0, 0], "quat_obj": [1, 0, 0, 0],
        "afford_name": "Wrap-grasp", "class_name": "bottle",
    }  # fmt: skip
    path.write_text(json.dumps({**data, **changes}))
    return path
