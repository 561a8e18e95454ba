"""Grasps of other methods, from the files that their code writes: one module a form (docs/benchmark.md)."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np

from pipelines.benchmark.methods import affordpose, dexgys, grasptta, npy
from pipelines.benchmark.methods.gather import Adapter, MethodGrasps, gather
from pipelines.benchmark.rows import ROWS
from pipelines.formats.grasp_file import files_of
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand

__all__ = ["ADAPTERS", "MethodGrasps", "read_method"]

# Which adapter a file needs.
NAME = re.compile(r"[\w.+-]*[\w+-]")
_MODULES: tuple[Adapter, ...] = (affordpose, dexgys, grasptta, npy)
#: each a module of one form, see `grasps.Adapter`
ADAPTERS = {module.NAME: module for module in _MODULES}


def read_method(given: str) -> MethodGrasps:
    """Read `NAME=PATH`: our .npz, or a file or folder of one of `ADAPTERS`, told by the contents.

    Raises:
      UserError: what the path lacks.
    """
    name, equals, where = given.partition("=")
    if not (name and equals and where):
        raise UserError(f"method {given!r}", "NAME=PATH", "name the method and its grasp file or folder")
    if name in ROWS or not NAME.fullmatch(name):  # it is a folder of units
        raise UserError(
            f"method name {name!r}",
            f"letters, digits, . _ + -, and none of {', '.join(ROWS)}",
            "choose another",
        )
    path = Path(where).expanduser()
    if path.suffix == ".npz":
        return read_npz(name, path)
    if not path.exists():
        raise UserError(f"no file at {where}", "a grasp file or a folder of them", "check the path")
    suffixes = {adapter.SUFFIX for adapter in ADAPTERS.values()}
    for file in (file for suffix in sorted(suffixes) for file in files_of(path, suffix)):
        for adapter in ADAPTERS.values():  # a broken file must not hide the form of the others
            if file.suffix == adapter.SUFFIX and adapter.detect(file):
                return gather(name, adapter, path)
    raise UserError(f"{where} of no known form", f"npz, {', '.join(ADAPTERS)}", "see docs/benchmark.md")


KEYS = ("instruction", "hand_pose", "joints", "joint_names", "hand")


def read_npz(name: str, path: Path) -> MethodGrasps:
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
