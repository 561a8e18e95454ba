"""DexGYS's JSON (iSEE-Laboratory/Grasp-as-You-Say): matched_results, raw_results, and the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from pipelines.benchmark.methods.gather import Entry, Put, benchmark_mesh, load_json, numbers
from pipelines.formats.dexgraspnet import DEXGRASPNET_JOINTS, from_dexgraspnet
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.pose import rotation_to_wxyz

NAME = "dexgys"
SUFFIX = ".json"
HAND = "shadow"
WIDTH = 6 + len(DEXGRASPNET_JOINTS)
GRASPS = ("predictions", "dex_grasp")
NAMES = ("instruction", "obj_id")


def detect(file: Path) -> bool:
    """A list of dicts, some with predictions or dex_grasp."""
    data = load_json(file)
    return isinstance(data, list) and any(_grasps(entry) is not None for entry in data)


def entries(file: Path) -> list[Entry]:
    """28 numbers a grasp, or lists of such: palm's xyz (metres), axis-angle (radians), 22 joints of Shadow.

    The instruction is the entry's `instruction`, or its `obj_id`.

    Raises:
      UserError: not of this form.
    """
    return [_entry(each) for each in load_json(file, list)]


def put(rows: Float[np.ndarray, "n 28"], objects: Sequence[str], hand: str) -> Put:
    """Shadow. DexGYS's loader moves every mesh's bounding box to the origin: p_obj = p + (low + high) / 2."""
    model = load_hand(hand)
    center = {spec: benchmark_mesh(spec).mesh.bounds.mean(axis=0) for spec in dict.fromkeys(objects)}
    palm = rows[:, :3] + np.array([center[spec] for spec in objects])
    wxyz = rotation_to_wxyz(Rotation.from_rotvec(rows[:, 3:6]))
    pose, joints = from_dexgraspnet(model, np.concatenate([palm, wxyz], axis=1), rows[:, 6:])
    note = "DexGYS's Shadow hand is an older model than ours: joints differ by about 2 mm (docs/formats.md)"
    return Put(model, pose, joints, (note,))


def _entry(given: object) -> Entry:
    name = next((str(given[key]) for key in NAMES if given.get(key)), "") if isinstance(given, dict) else ""
    grasps = _grasps(given)
    if grasps is None:
        return Entry(name, None, f"an entry without {' or '.join(GRASPS)}")
    try:
        return Entry(name, numbers(grasps, (WIDTH,), "a grasp"), hand=HAND)
    except UserError as error:
        return Entry(name, None, str(error))


def _grasps(entry: object) -> object:
    return next((entry[key] for key in GRASPS if key in entry), None) if isinstance(entry, dict) else None
