"""GraspTTA's JSON (hwjiang1510/GraspTTA) with MANO's joints added to it, and MANO keypoints of any method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipelines.benchmark.methods.gather import Entry, Put, load_json, numbers
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.retarget import NAMES, fit_keypoints, in_order

NAME = "grasptta"
SUFFIX = ".json"
HAND = "human16"
OWN, ADDED = "recon_params", "joints"
ORDER = "mano"
FAR = 0.015  # metres: MANO's right hands come nearer than this, left hands don't


def detect(file: Path) -> bool:
    """A dict with recon_params, or with joints alone."""
    data = load_json(file)
    return isinstance(data, dict) and (OWN in data or (ADDED in data and "dofs" not in data))


def entries(file: Path) -> list[Entry]:
    """`joints` [n 21 3], metres, order `joint_order` (mano), in the frame in which `R_list` puts the object.

    GraspTTA turns and moves the object at random, x_given = R x_obj + t with [R t] of `R_list`, and saves the
    hand for it so; x_obj = R^-1 (x_given - t). Without `R_list` the joints are in the object's frame.

    Raises:
      UserError: not of this form.
    """
    data = load_json(file, dict)
    if ADDED not in data:
        raise UserError(
            f"{file.name} with MANO's parameters alone",
            f"{ADDED}, MANO's 21 joints for each",
            "add them with the script of docs/benchmark.md: MANO itself can't be part of this package",
        )
    points = numbers(data[ADDED], (len(NAMES), 3), ADDED)
    if "R_list" in data:
        moved = numbers(data["R_list"], (3, 4), "R_list")
        if len(moved) != len(points):
            raise UserError(
                f"{len(points)} joints and {len(moved)} of R_list", "one for each", "check the file"
            )
        # points as rows: (x - t) R is R^T (x - t)
        points = (points - moved[:, None, :, 3]) @ moved[:, :, :3]
    name, order = str(data.get("instruction", "")), str(data.get("joint_order", ORDER))
    return [_entry(name, each, order) for each in points]


def put(rows: Float[np.ndarray, "n 21 3"], objects: Sequence[str], hand: str) -> Put:
    """human16 on the keypoints."""
    model = load_hand(hand)
    found = fit_keypoints(model, rows)
    mean = 1000 * found.error.mean(axis=1)
    notes = (
        f"human16 was put on MANO's joints: mean distance {mean.mean():.1f} mm over joints and grasps, "
        f"95 % of grasps below {np.quantile(mean, 0.95):.1f} mm",
    )
    if far := int((mean > 1000 * FAR).sum()):
        notes += (
            f"{far} grasps are more than {1000 * FAR:.0f} mm off: left hands, or bones out of proportion",
        )
    return Put(model, found.hand_pose, found.joints, notes)


def _entry(name: str, points: np.ndarray, order: str) -> Entry:
    if not np.isfinite(points).all():
        return Entry(name, points[None], hand=HAND)
    try:
        return Entry(name, in_order(points, order)[None], hand=HAND)
    except UserError as error:
        return Entry(name, None, str(error))
