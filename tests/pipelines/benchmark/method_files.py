"""Files as the published code of other methods writes them, for one instruction each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from tests.pipelines.formats.writers import DGN_JOINTS, dexgraspnet, poses
from zdg_jax.hands import load_hand
from zdg_jax.hands.retarget import NAMES, ORDERS, human_keypoints
from zdg_jax.pose import wxyz_to_rotation

SUFFIX = {"affordpose": ".json", "dexgys": ".json", "grasptta": ".json", "npy": ".npy"}
DOFS = [0, 0.336588, 0.399647, 0, 0.544007, 0.377164, 0, 0.342275, 0.501948, -0.108498, 0.275122, 0.290949, 0,
        -0.872665, 0.0795779, 0]  # fmt: skip
SHADOW = np.random.default_rng(1).uniform(-0.1, 0.3, size=(3, 22))


def write(name: str, path: Path, instruction: str = "", *, bad: bool = False) -> Path:
    """A file of that form; `bad` puts a NaN into its first grasp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return {"affordpose": affordpose, "dexgys": dexgys, "grasptta": grasptta, "npy": npy}[name](
        path, instruction, np.nan if bad else 0.0
    )


def affordpose(path: Path, instruction: str, add: float = 0.0) -> Path:
    """One grasp; pose and dofs of the data set's published sample."""
    data = {
        "dofs": [DOFS[0] + add, *DOFS[1:]],
        "rhand_trans": [24.2139, -6.34088, -60.7976],
        "rhand_quat": [0.747154, -0.625719, -0.087778, -0.206231],
        "trans_obj": [0, 0, 0], "quat_obj": [1, 0, 0, 0], "afford_name": "Wrap-grasp",
    }  # fmt: skip
    path.write_text(json.dumps(data | ({"instruction": instruction} if instruction else {})))
    return path


def dexgys(path: Path, instruction: str, add: float = 0.0) -> Path:
    """As test.py of Grasp-as-You-Say writes raw_results.json: three grasps of `dexgys_rows`."""
    rows = dexgys_rows()
    rows[0, 0] += add
    words = {"cate_id": "mug", "action_id": "0001", "guidance": "Use the mug."}
    entry = {"obj_id": instruction or path.stem, **words, "predictions": rows.tolist()}
    path.write_text(json.dumps([entry]))
    return path


def dexgys_rows() -> np.ndarray:
    """Palm and joints in the order of its MJCF; the palm turned about axes with angles up to π."""
    palm = poses(3)
    turn = wxyz_to_rotation(palm[:, 3:]).as_rotvec()
    return np.concatenate([palm[:, :3], turn, SHADOW], axis=1)


def hands(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Poses and joints of human16."""
    hand = load_hand("human16")
    return poses(count, 4), np.random.default_rng(5).uniform(hand.lower, hand.upper, (count, 16))


def grasptta(path: Path, instruction: str, add: float = 0.0) -> Path:
    """As gen_diverse_grasp_ho3d.py writes it: MANO's parameters of hands about turned and moved objects.

    `joints` are as otaheri's MANO gives them with `return_tips`; here they are human16's own.
    """
    points = human_keypoints(load_hand("human16"), *hands())
    moved = []
    for k, x in enumerate(points):
        R = Rotation.random(rng=np.random.default_rng(k)).as_matrix()
        t = np.array([-0.0793, 0.0208, -0.6924]) + 0.2 * np.random.default_rng(k).random(3)
        moved.append(np.hstack([R, t[:, None]]))
        points[k] = (R @ x.T).T + t
    points[0, 0, 0] += add
    order = [NAMES.index(name) for name in ORDERS["mano"]]
    data = {
        "recon_params": np.zeros((3, 1, 61)).tolist(), "R_list": np.array(moved).tolist(),
        "trans_list": np.array(moved)[:, :, 3:].tolist(), "r_list": np.zeros((3, 3)).tolist(),
        "joints": points[:, order].tolist(),
    }  # fmt: skip
    path.write_text(json.dumps(data | ({"instruction": instruction} if instruction else {})))
    return path


def npy(path: Path, instruction: str, add: float = 0.0) -> Path:
    """DexGraspNet's list of dicts, on a mesh of scale 1."""
    joints = SHADOW.copy()
    joints[0, 0] += add
    assert len(DGN_JOINTS) == 22
    return dexgraspnet(path, poses(3), joints, scale=1.0)
