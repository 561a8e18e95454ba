"""Where grasps come from: what their rows say of task, configuration, object and versions."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pipelines.options import Settings
from zdg_jax import __version__
from zdg_jax.grasps import FORMAT
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sources import PREFIXES


def task_columns(
    obj: ObjectModel, hand: HandModel, grasp: ReasonedGrasp, settings: Settings, seed: int
) -> dict[str, Any]:
    """What all rows of one task share: which it is, what answered, and what was reasoned."""
    sha = settings.config_sha()
    key = json.dumps([obj.looks_sha256, grasp.task, hand.name, sha])
    columns: dict[str, Any] = {
        "task_id": hashlib.sha256(key.encode()).hexdigest()[:16],
        "object_id": obj.object_id,
        "object_scale": obj.scale,
        "mesh_sha256": obj.mesh_sha256,
        "task": grasp.task,
        "reasoner": settings.reasoner,
        "seed": seed,
        "config_sha": sha,
        "code_version": __version__,
        "calls": list(grasp.calls),
        "answered_by": list(dict.fromkeys(call["model"] for call in grasp.calls)),
    }
    if grasp.guidance is not None and grasp.initial is not None:
        columns |= {
            "part_ids": grasp.guidance.part_ids,
            "contact_points": grasp.guidance.p_obj_points,
            "direction": grasp.initial.direction,
            "grasp_type": grasp.initial.grasp_type,
            "rotation_index": grasp.initial.rotation_index,
            "view_index": grasp.initial.view_index,
        }
    return columns


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
        "format": FORMAT,
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
    return {"python": platform.python_version(), **installed(names)}


def installed(names: Iterable[str]) -> dict[str, str]:
    """Versions of those distributions that are there; ours is not in a checkout that was not installed."""
    return {name: version for name in names if (version := _version(name)) is not None}


@cache  # every task of a run writes them, and one reading takes milliseconds
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
