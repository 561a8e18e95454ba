"""DexGraspNet's and DexGraspBench's .npy, as `zdg eval` reads them, on meshes of scale 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipelines.benchmark.methods.gather import Entry, Put
from pipelines.formats import dexgraspbench, dexgraspnet
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand

NAME = "npy"
SUFFIX = ".npy"
FORMS = (dexgraspnet, dexgraspbench)


def detect(file: Path) -> bool:
    """One of the two forms."""
    return any(form.detect(file) for form in FORMS)


def entries(file: Path) -> list[Entry]:
    """Pose of link 0 and joints, of whatever hand the file says.

    Raises:
      UserError: what the readers refuse, or another scale than 1.
    """
    form = next((form for form in FORMS if form.detect(file)), dexgraspnet)
    found = form.read(file)
    for source in found.objects.values():
        if source.scale != 1.0:
            raise UserError(
                f"{file.name} with scale {source.scale:.6g}", "1: meshes are in metres", "scale the grasps"
            )
    rows = np.concatenate([found.hand_pose, found.joints], axis=1)
    return [Entry(rows=rows, hand=found.hand)]


def put(rows: Float[np.ndarray, "n numbers"], objects: Sequence[str], hand: str) -> Put:
    """As they are."""
    return Put(load_hand(hand), rows[:, :7], rows[:, 7:])
