"""From results to the rows and the info of `grasps.parquet` (DESIGN §9)."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from zdg_jax import __version__
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.pregrasp import pregrasp_and_squeeze
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sources import PREFIXES
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.result import RefinedGrasps


def config_sha(config: Mapping[str, Any]) -> str:
    """Short hash of everything that a user can set, in canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def identity(
    obj: ObjectModel, hand: HandModel, grasp: ReasonedGrasp, config: Mapping[str, Any]
) -> dict[str, Any]:
    """The columns that all rows of one task share: up to `code_version`, `calls` and `answered_by`."""
    sha = config_sha({k: v for k, v in config.items() if k != "seed"})
    key = json.dumps([obj.mesh_sha256, grasp.task, hand.name, sha])
    return {
        "task_id": hashlib.sha256(key.encode()).hexdigest()[:16],
        "object_id": obj.object_id,
        "object_scale": obj.scale,
        "mesh_sha256": obj.mesh_sha256,
        "hand": hand.name,
        "task": grasp.task,
        "reasoner": config["reasoner"],
        "seed": config["seed"],
        "config_sha": sha,
        "code_version": __version__,
        "calls": list(grasp.calls),
        "answered_by": list(dict.fromkeys(call["model"] for call in grasp.calls)),
    }


def failed_row(shared: Mapping[str, Any], grasp: ReasonedGrasp) -> dict[str, Any]:
    """The one row of a task whose reasoning ended without a grasp."""
    return {
        **shared,
        "grasp_id": f"{shared['task_id']}-{shared['seed']}-none",
        "status": grasp.status,
        "status_reason": grasp.status_reason,
    }


def grasp_row(
    shared: Mapping[str, Any],
    hand: HandModel,
    grasp: ReasonedGrasp,
    refined: RefinedGrasps,
    index: int,
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """One refined grasp; numbers that refinement could not give (NaN) become null.

    Args:
      shared: from `identity`.
      index: which of the batch.
      measured: further columns (metrics, closing, rank), empty for a grasp that refinement lost; without a
        closing of its own the row has that of the hand's rule.
    """
    assert grasp.guidance is not None  # a refined task was reasoned
    assert grasp.initial is not None
    joints = np.asarray(refined.joints[index], dtype=np.float64)
    pregrasp, squeeze = pregrasp_and_squeeze(hand, joints)
    return {
        **shared,
        "grasp_id": f"{shared['task_id']}-{shared['seed']}-{index:04d}",
        "status": refined.status[index],
        "status_reason": refined.status_reason[index],
        "hand_pose": _known(refined.hand_pose[index]),
        "joints": _known(joints),
        "pregrasp_pose": _known(refined.hand_pose[index]),
        "pregrasp_joints": _known(pregrasp),
        "squeeze_joints": _known(squeeze),
        "init_pose": _known(refined.init_pose[index]),
        "init_joints": _known(refined.init_joints[index]),
        "part_ids": grasp.guidance.part_ids,
        "contact_points": grasp.guidance.p_obj_points,
        "direction": grasp.initial.direction,
        "grasp_type": grasp.initial.grasp_type,
        "rotation_index": grasp.initial.rotation_index,
        "view_index": grasp.initial.view_index,
        "energy_total": _known(refined.energy_total[index]),
        "energy": {term: _known(refined.energy[term][index]) for term in TERMS},
        **measured,
    }


def task_rows(
    shared: Mapping[str, Any],
    hand: HandModel,
    grasp: ReasonedGrasp,
    refined: RefinedGrasps,
    kept: Int[np.ndarray, " kept"],
    columns: Mapping[str, np.ndarray],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rows of the kept grasps, rows of those that refinement lost).

    Args:
      shared: from `identity`.
      kept: indices into the batch, best first.
      columns: their measures, in the same order.
    """
    chosen = [
        grasp_row(shared, hand, grasp, refined, int(i), measured_columns(columns, place))
        for place, i in enumerate(kept)
    ]
    lost = [i for i, status in enumerate(refined.status) if status != "ok"]
    return chosen, [grasp_row(shared, hand, grasp, refined, i, {}) for i in lost]


def measured_columns(columns: Mapping[str, np.ndarray], place: int) -> dict[str, Any]:
    """One grasp's measures as row values; a number that could not be measured (NaN) becomes null."""
    values = {name: np.asarray(column)[place] for name, column in columns.items()}
    return {
        k: _known(v.item() if v.ndim == 0 else v) if v.dtype.kind == "f" else v.item()
        for k, v in values.items()
    }


def _known(value: Any) -> Any:
    return value if np.isfinite(value).all() else None


def stored_source(given: str) -> str:
    """The OBJECT argument as a later run can read it: files absolute, `ycb:` and `zoo:` names as they are."""
    return given if given.startswith(PREFIXES) else str(Path(given).expanduser().resolve())


def dataset_info(
    obj: ObjectModel, hand: HandModel, config: Mapping[str, Any], versions: Mapping[str, str]
) -> dict[str, Any]:
    """What the columns mean, and where the object came from."""
    about = object_info(obj, str(config["object"]), config["up"])
    return table_info({obj.object_id: about}, hand, config, versions)


def object_info(obj: ObjectModel, source: str, up: str | None) -> dict[str, Any]:
    """Where an object came from, so that `zdg eval` can load it again."""
    source = stored_source(source)
    return {
        "source": source,
        "scale": obj.scale,
        "up": up,
        "name": obj.name,
        "mesh_sha256": obj.mesh_sha256,
        "warnings": list(obj.warnings),
    }


def table_info(
    objects: Mapping[str, Mapping[str, Any]],
    hand: HandModel,
    config: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """What the columns mean, and where all objects came from.

    Args:
      objects: `object_info` by object id.
    """
    return {
        "format": "zdg-jax grasps 1",
        "hand": hand.reference,
        "joint_names": list(hand.active_names),
        "frames": {
            "object": "right-handed, +y up; the world at synthesis",
            "hand_pose": "xyz wxyz: pose of the hand's base link in the object frame",
            "init_pose": "the same, before refinement",
            "contact_points": "thumb, index; object frame",
        },
        "units": {
            "length": "m",
            "angle": "rad",
            "*_cm": "cm",
            "*_cm3": "cm^3",
            "cost_usd": "USD",
            "*_s": "s",
        },
        "objects": {name: dict(about) for name, about in objects.items()},
        "config": dict(config),
        "versions": dict(versions),
    }


def versions() -> dict[str, str]:
    """What ran: ours, Python's and the libraries' that the numbers depend on."""
    names = ("zdg-jax", "jax", "jaxlib", "mujoco", "mujoco-mjx", "numpy", "trimesh", "coacd")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout that was not installed
            continue
    return found
