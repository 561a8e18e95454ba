"""What every reader gives back, whatever the file looks like, and how rows of several files are gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import trimesh
from jaxtyping import Float, Int

from pipelines.formats.schema import guarded
from zdg_jax.errors import MachineError, UserError
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
      grasp_type: one a row, "" where it is unknown; none if the file never says.
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
    grasp_type: tuple[str, ...] = ()

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


T = TypeVar("T")
UNREADABLE = "unreadable"


def files_of(path: Path, suffix: str) -> list[Path]:
    """The file itself, or all files of that ending below a folder, sorted."""
    return [path] if path.is_file() else sorted(path.rglob(f"*{suffix}"))


@dataclass
class Rows:
    """Rows as they are read; `finish` makes the `GraspFile`."""

    hand: HandModel
    grasp_id: list[str] = field(default_factory=list)
    object_key: list[str] = field(default_factory=list)
    category: list[str] = field(default_factory=list)
    hand_pose: list[np.ndarray] = field(default_factory=list)
    joints: list[np.ndarray] = field(default_factory=list)
    pregrasp: list[np.ndarray] = field(default_factory=list)
    squeeze: list[np.ndarray] = field(default_factory=list)
    pregrasp_pose: list[np.ndarray] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    objects: dict[str, ObjectSource] = field(default_factory=dict)

    def add(
        self,
        ids: list[str],
        source: ObjectSource,
        category: str,
        hand_pose: Float[np.ndarray, "rows 7"],
        joints: Float[np.ndarray, "rows active"],
        pregrasp: Float[np.ndarray, "rows active"] | None = None,
        squeeze: Float[np.ndarray, "rows active"] | None = None,
        *,
        key: str | None = None,
        pregrasp_pose: Float[np.ndarray, "rows 7"] | None = None,
    ) -> None:
        """Grasps of one object; it is known by name and scale unless `key` says otherwise."""
        key = key or (source.name if source.scale == 1.0 else f"{source.name} x {source.scale:.6g}")
        self.objects.setdefault(key, source)
        nothing = np.full_like(joints, np.nan)
        self.grasp_id += ids
        self.object_key += [key] * len(ids)
        self.category += [category] * len(ids)
        self.hand_pose += list(hand_pose)
        self.joints += list(joints)
        self.pregrasp += list(nothing if pregrasp is None else pregrasp)
        self.squeeze += list(nothing if squeeze is None else squeeze)
        self.pregrasp_pose += list(np.full((len(ids), 7), np.nan) if pregrasp_pose is None else pregrasp_pose)
        self.status += ["ok"] * len(ids)
        self.reason += [""] * len(ids)

    def add_failed(self, grasp_id: str, reason: str) -> None:
        """One row that stands for a file that can't be read."""
        self.objects.setdefault("", ObjectSource(""))
        active = np.full((1, len(self.hand.active_names)), np.nan)
        self.add([grasp_id], self.objects[""], "", np.full((1, 7), np.nan), active, key="")
        self.status[-1], self.reason[-1] = UNREADABLE, reason

    def finish(self, path: Path, name: str, notes: tuple[str, ...] = ()) -> GraspFile:
        """All rows, in the order they came."""
        active = len(self.hand.active_names)

        def stacked(rows: list[np.ndarray], width: int) -> np.ndarray:
            return np.array(rows, np.float64).reshape(-1, width)

        return GraspFile(
            path=str(path), format=name, hand=self.hand.name, grasp_id=tuple(self.grasp_id),
            object_key=tuple(self.object_key), category=tuple(self.category),
            hand_pose=stacked(self.hand_pose, 7), joints=stacked(self.joints, active),
            pregrasp=stacked(self.pregrasp, active), squeeze=stacked(self.squeeze, active),
            status=tuple(self.status), status_reason=tuple(self.reason), objects=self.objects, notes=notes,
            pregrasp_pose=stacked(self.pregrasp_pose, 7),
        )  # fmt: skip


def each_file(rows: Rows, path: Path, suffix: str, read_one: Callable[[Path, str], None]) -> None:
    """Call `read_one(file, label)` for every file; in a folder a bad one becomes a failed row.

    Raises:
      UserError: the only file is bad.
    """
    for file, label in _labelled(path, suffix):
        try:
            guarded(file.name, partial(read_one, file, label))
        except MachineError:
            raise
        except UserError as error:
            if path.is_file():
                raise
            rows.add_failed(label, str(error))


def first_of(path: Path, suffix: str, load: Callable[[Path], T]) -> T | None:
    """The first file of that ending that `load` takes, loaded; None if it takes none of the first 64."""
    for file in files_of(path, suffix)[:64]:
        if file.suffix != suffix:
            continue
        found: list[T] = []
        with suppress(UserError):
            guarded(file.name, lambda file=file, found=found: found.append(load(file)))
        if found:
            return found[0]
    return None


def _labelled(path: Path, suffix: str) -> Iterator[tuple[Path, str]]:
    for file in files_of(path, suffix):
        label = file.stem if path.is_file() else str(file.relative_to(path).with_suffix(""))
        yield file, label
