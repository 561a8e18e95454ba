"""Our own form, `NAME=FILE.npz`: one row a grasp."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pipelines.benchmark.methods.grasps import MethodGrasps
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand

KEYS = ("instruction", "hand_pose", "joints", "joint_names", "hand")


def read(name: str, path: Path) -> MethodGrasps:
    """The grasps of an .npz file.

    It holds: `instruction` [n] ids; `hand_pose` [n 7] xyz (metres) and wxyz of the hand's first link in
    the object frame (+y up); `joints` [n k] radians; `joint_names` [k]; `hand`, a built-in hand's name or a
    card's path. Joints that the file does not name stay at zero.

    Raises:
      UserError: what the file lacks.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"grasp file {path}", "a readable .npz file", "check the path") from error
    if missing := [key for key in KEYS if key not in data]:
        raise UserError(
            f"{path} without {missing[0]!r}", f"arrays {', '.join(KEYS)}", "see docs/benchmark.md"
        )
    hand = load_hand(str(data["hand"]))
    pose, joints, ids = data["hand_pose"], data["joints"], data["instruction"]
    names = [str(n) for n in data["joint_names"]]
    if pose.shape != (len(ids), 7) or joints.shape != (len(ids), len(names)):
        raise UserError(
            f"{path}: hand_pose {pose.shape}, joints {joints.shape}",
            f"({len(ids)}, 7) and ({len(ids)}, {len(names)})",
            "give one row a grasp",
        )
    if unknown := sorted(set(names) - set(hand.active_names)):
        raise UserError(
            f"{path}: joint {unknown[0]!r}", f"some of {', '.join(hand.active_names)}", "rename it"
        )
    ours = np.zeros((len(ids), len(hand.active_names)))
    ours[:, [hand.active_names.index(n) for n in names]] = joints
    order: dict[str, list[int]] = {}
    for row, instruction in enumerate(ids):
        order.setdefault(str(instruction), []).append(row)
    found = {key: (pose[rows].astype(np.float64), ours[rows]) for key, rows in order.items()}
    return MethodGrasps(name, hand, found)
