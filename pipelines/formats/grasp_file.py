"""What every reader gives back, whatever the file looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import trimesh
from jaxtyping import Float, Int

from zdg_jax.errors import UserError
from zdg_jax.hands.model import HandModel


@dataclass(frozen=True)
class ObjectSource:
    """Where an object's mesh is to be found.

    Attributes:
      name: the file's own word for it; searched for in `--objects`.
      path: a path, `ycb:NAME` or `zoo:CATEGORY/VARIANT` that the file names, "" if none.
      scale: metres per unit of the mesh.
      up: axis of the mesh that points up.
      mesh_sha256: of the checked mesh, "" if the file does not say.
      mesh: the mesh itself where the file holds it, in its own units.
      part: labelled vertices of `mesh` that are the ground-truth part, if the file says so.
    """

    name: str
    path: str = ""
    scale: float = 1.0
    up: str = "y"
    mesh_sha256: str = ""
    mesh: trimesh.Trimesh | None = None
    part: Int[np.ndarray, " labelled"] | None = None


@dataclass(frozen=True)
class GraspFile:
    """Grasps of one hand and any number of objects.

    Attributes:
      path: what was read.
      format: name of the format.
      hand: of `zdg_jax.hands`.
      grasp_id: one a row.
      object_key: of `objects`, one a row: object and scale.
      category: the object's class, "" where the file has none.
      hand_pose: xyz (metres) and wxyz of the hand's link 0 in the frame of the scaled mesh.
      joints: active joints, radians, in the order of `HandModel.active_names`.
      pregrasp, squeeze: as `joints`; NaN where the file has none.
      pregrasp_pose: as `hand_pose`, before the grasp; NaN where the file has none, None if it never has.
      status, status_reason: "ok", or why a row can't be measured.
      objects: by key.
      turned: the poses are in the frame of the turned mesh already (+y up), whatever `ObjectSource.up` is.
      notes: what the reader had to assume, one line each.
    """

    path: str
    format: str
    hand: str
    grasp_id: tuple[str, ...]
    object_key: tuple[str, ...]
    category: tuple[str, ...]
    hand_pose: Float[np.ndarray, "rows 7"]
    joints: Float[np.ndarray, "rows active"]
    pregrasp: Float[np.ndarray, "rows active"]
    squeeze: Float[np.ndarray, "rows active"]
    status: tuple[str, ...]
    status_reason: tuple[str, ...]
    objects: Mapping[str, ObjectSource]
    turned: bool = False
    notes: tuple[str, ...] = field(default=())
    pregrasp_pose: Float[np.ndarray, "rows 7"] | None = None

    def __len__(self) -> int:
        return len(self.grasp_id)


def by_name(
    names: Sequence[str], values: Float[np.ndarray, "rows joints"], hand: HandModel, path: str
) -> Float[np.ndarray, "rows active"]:
    """Joint columns in the hand's own order.

    Raises:
      UserError: a name that the hand does not have, or one of its joints is missing.
    """
    valid = ", ".join(hand.active_names)
    for name in names:
        if name not in hand.active_names:
            raise UserError(f"joint {name!r} in {path}", f"joints of {hand.name}", f"valid names: {valid}")
    missing = [name for name in hand.active_names if name not in names]
    if missing:
        raise UserError(f"{path} without {', '.join(missing)}", f"all joints of {hand.name}", "check --hand")
    order = [list(names).index(name) for name in hand.active_names]
    return np.asarray(values, np.float64)[:, order]
