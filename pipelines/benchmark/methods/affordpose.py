"""AffordPose's JSON (GentlesJan/AffordPose), one grasp a file; of the object only its pose is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipelines.benchmark.methods.gather import Entry, Put, load_json
from pipelines.formats.affordpose import HAND, PosedHand, human16_joints, human16_pose
from pipelines.formats.schema import validated
from zdg_jax.hands import load_hand

NAME = "affordpose"
SUFFIX = ".json"
KEYS = ("dofs", "rhand_trans", "rhand_quat")


def detect(file: Path) -> bool:
    """A dict with dofs and the palm's pose."""
    data = load_json(file)
    return isinstance(data, dict) and all(key in data for key in KEYS)


def entries(file: Path) -> list[Entry]:
    """16 dofs in radians, palm and object in millimetres and wxyz; `instruction` if the dict has it.

    Raises:
      UserError: not of this form.
    """
    data = load_json(file, dict, KEYS)
    hand = validated(PosedHand, data, file.name)
    row = np.concatenate([human16_pose(hand), hand.dofs])
    return [Entry(str(data.get("instruction", "")), row[None], hand=HAND)]


def put(rows: Float[np.ndarray, "n 23"], objects: Sequence[str], hand: str) -> Put:
    """human16, as `zdg eval` reads AffordPose (docs/formats.md)."""
    model = load_hand(hand)
    note = "AffordPose's hand is not ours: its grasps were put on human16 (docs/formats.md)"
    return Put(model, rows[:, :7], human16_joints(model, rows[:, 7:]), (note,))
