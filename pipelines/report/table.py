"""The grasps of one or several files as one table: poses, stages, measures, objects; which are looked at."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int, Shaped

from pipelines.formats import GraspFile, read_grasps
from pipelines.formats.objects import load_measured
from pipelines.runtime import folder_of
from zdg_jax.columns import COLUMNS
from zdg_jax.errors import UserError
from zdg_jax.objects.paint import Paint, linear_bytes

#: Columns that can be filtered and sorted by, besides every measure a file has.
_ABOUT = ("rank", "good", "status", "grasp_type", "direction", "hypothesis", "start")
_NUMBERS = ("real", "flag", "count", "int")


@dataclass(frozen=True)
class ViewFile:
    """One file or shard.

    Attributes:
      name: as it is listed.
      grasps: poses, stages, objects.
      columns: measures and what the row is, one array a column.
      parts: chosen parts of each row, () where the file does not say.
      points: contact points of thumb and index of each row, object frame, metres; NaN where there are none.
      start: (pose, joints) before refinement; None if the file has none.
      info: of `dataset_info.json`, None for other people's files.
      sha: mesh hash of each object of ours.
    """

    name: str
    grasps: GraspFile
    columns: Mapping[str, Shaped[np.ndarray, " n"]]
    parts: tuple[tuple[int, ...], ...]
    points: Float[np.ndarray, "n 2 3"]
    start: tuple[Float[np.ndarray, "n 7"], Float[np.ndarray, "n active"]] | None
    info: Mapping[str, Any] | None
    sha: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.grasps)


def view_files(paths: Sequence[str], hand: str | None = None) -> list[ViewFile]:
    """Every file of the paths; a folder of `zdg generate` gives its shards.

    Args:
      paths: grasp files or folders of any format we read.
      hand: of other people's files.
    Raises:
      UserError: what a reader refuses, or no path.
    """
    if not paths:
        raise UserError("no file to view", "a folder or a grasp file", "e.g. zdg view out/demo")
    found = []
    for path in paths:
        shards = sorted(Path(path).expanduser().glob("grasps/part-*.parquet"))
        for place in [str(p) for p in shards] or [path]:
            found.append(_file(place, hand))
    return found


def _file(path: str, hand: str | None) -> ViewFile:
    grasps = read_grasps(path, hand)
    if grasps.format == "zdg":
        return _ours(path, grasps)
    count = len(grasps)
    columns: dict[str, np.ndarray] = {
        "grasp_id": np.array(grasps.grasp_id, object),
        "object_id": np.array(grasps.object_key, object),
        "status": np.array(grasps.status, object),
    }
    nothing = np.full((count, 2, 3), np.nan)
    return ViewFile(_name(path), grasps, columns, ((),) * count, nothing, None, None, {})


def _ours(path: str, grasps: GraspFile) -> ViewFile:
    from pipelines.dataset import load_grasps

    stored, info = load_grasps(Path(path).expanduser())
    task = [stored.tasks[i] for i in stored.task_index]
    columns: dict[str, np.ndarray] = {
        "grasp_id": np.array(stored["grasp_id"], object),
        "object_id": np.array([t["object_id"] for t in task], object),
        "task": np.array([t["task"] for t in task], object),
        "status": np.array(stored.status_name, object),
        "grasp_type": np.array([t.get("grasp_type") or "" for t in task], object),
    }
    for name, values in stored.columns.items():
        known = COLUMNS.get(name)
        wanted = (
            name in _ABOUT or name.startswith("energy.") or (known is not None and known.kind in _NUMBERS)
        )
        if wanted and np.asarray(values).ndim == 1:
            columns[name] = np.asarray(values)
    points = np.full((len(stored), 2, 3), np.nan)
    for i, told in enumerate(task):
        given = told.get("contact_points")
        if given is not None and np.size(given) == 6:
            points[i] = np.reshape(np.asarray(given, float), (2, 3))
    start = None
    if "init_pose" in stored and "init_joints" in stored:
        start = (np.asarray(stored["init_pose"], float), np.asarray(stored["init_joints"], float))
    parts = tuple(tuple(t.get("part_ids") or ()) for t in task)
    sha = {t["object_id"]: t["mesh_sha256"] for t in task}
    return ViewFile(_name(path), grasps, columns, parts, points, start, info, sha)


def _name(path: str) -> str:
    place = Path(path)
    return (
        f"{place.parent.parent.name}/{place.name}" if place.name.startswith("part-") else place.name or path
    )


_COMPARE = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "==": operator.eq,
    "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_TERM = re.compile(r"^(not\s+)?([\w.]+)\s*(?:(<=|>=|!=|==|=|<|>)\s*(.+))?$")


def chosen(columns: Mapping[str, Shaped[np.ndarray, " n"]], where: str) -> Bool[np.ndarray, " n"]:
    """Rows that meet all terms.

    Args:
      columns: by name.
      where: terms with "and" between them: `good`, `not good`, `p_dep_cm < 0.2`, `grasp_type = lift`; empty
        for all rows. A number that is missing meets no comparison.
    Raises:
      UserError: no such column, or words that are no term.
    """
    count = len(next(iter(columns.values()), ()))
    keep = np.ones(count, bool)
    for term in re.split(r"\s+and\s+|\s*,\s*", where.strip()) if where.strip() else ():
        found = _TERM.match(term)
        if found is None:
            raise UserError(
                f"the filter {term!r}", "good, not good, or COLUMN < NUMBER", 'e.g. "good and p_dep_cm < 0.2"'
            )
        negated, name, sign, value = found.groups()
        values = _column(columns, name)
        meets = _truth(values) if sign is None else _compared(values, sign, value.strip().strip("'\""))
        keep &= ~meets if negated else meets
    return keep


def ordered(
    columns: Mapping[str, Shaped[np.ndarray, " n"]], by: str, *, descending: bool = False
) -> Int[np.ndarray, " n"]:
    """Row numbers by a column; rows of equal or missing values stay in their order, missing ones last.

    Raises:
      UserError: no such column.
    """
    values = _column(columns, by)
    if values.dtype.kind in "OUS":
        text = np.array([str(v) for v in values])
        order = np.argsort(text, kind="stable")
        return order[::-1] if descending else order
    number = np.asarray(values, float)
    number = -number if descending else number
    return np.argsort(np.where(np.isnan(number), np.inf, number), kind="stable")


def _column(columns: Mapping[str, Shaped[np.ndarray, " n"]], name: str) -> np.ndarray:
    if name not in columns:
        raise UserError(f"column {name!r}", f"one of {', '.join(columns)}", "choose another")
    return np.asarray(columns[name])


def _truth(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "OUS":
        return np.array([bool(v) for v in values])
    return np.nan_to_num(np.asarray(values, float)) > 0


def _compared(values: np.ndarray, sign: str, wanted: str) -> np.ndarray:
    compare = _COMPARE[sign]
    if values.dtype.kind in "OUS":
        return np.array([compare(str(v), wanted) for v in values], bool)
    try:
        number = {"true": 1.0, "false": 0.0}.get(wanted.lower())
        number = float(wanted) if number is None else number
    except ValueError:
        raise UserError(f"{wanted!r} to compare with", "a number", "mend the filter") from None
    known = np.asarray(values, float)
    return compare(known, number) & ~np.isnan(known)


# The objects of viewed grasps: mesh, colour of each face by what the task asked for, samples.
@dataclass(frozen=True)
class Seen:
    """What a page shows of an object.

    Attributes:
      vertices, faces: metres, object frame.
      face_part: part of each face, None if not known.
      paint: the object's own colours, None if it has none or they are not known.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    face_part: Int[np.ndarray, " f"] | None
    paint: Paint | None = None

    def painted(self, chosen: Bool[np.ndarray, " f"]) -> trimesh.Trimesh | None:
        """Some faces in the object's own colours, textures as they are at corners; None where it has none.

        In linear light: the page gets them as glTF.
        """
        if self.paint is None:
            return None
        corners = self.vertices[self.faces[chosen]].reshape(-1, 3)
        rgb = linear_bytes(self.paint.corners[chosen].reshape(-1, 3))
        faces = np.arange(len(corners)).reshape(-1, 3)
        return trimesh.Trimesh(corners, faces, vertex_colors=rgb, process=False)

    def target(self, parts: Sequence[int]) -> Bool[np.ndarray, " f"]:
        """Faces of these parts."""
        if self.face_part is None or not parts:
            return np.zeros(len(self.faces), bool)
        return np.isin(self.face_part, parts)

    def is_part(self, number: int) -> Bool[np.ndarray, " f"]:
        """Faces of one part."""
        return self.target((number,))

    def distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Unsigned distance of points to the surface, metres."""
        import igl

        squared = igl.point_mesh_squared_distance(points, self.vertices, self.faces)[0]
        return np.sqrt(squared)


@dataclass
class Objects:
    """Loads each object once.

    Attributes:
      roots: where other people's meshes are.
      lost: by file and object, why there is no mesh.
    """

    roots: Path | None = None
    lost: dict[tuple[str, str], str] = field(default_factory=dict)
    _known: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def of(self, file: ViewFile, key: str) -> Seen | None:
        """The object; None if its mesh can't be found, which `lost` explains."""
        place = (file.grasps.path, key)
        if place not in self._known and place not in self.lost:
            try:
                self._known[place] = self._load(file, key)
            except UserError as error:
                self.lost[place] = str(error)
        return self._known.get(place)

    def _load(self, file: ViewFile, key: str) -> Seen:
        if file.info is not None:
            from pipelines.evaluate import object_again

            obj = object_again(key, dict(file.info), file.sha[key])
            return Seen(np.asarray(obj.mesh.vertices), np.asarray(obj.mesh.faces), obj.face_part, obj.paint)
        found = load_measured(file.grasps.objects[key], folder_of(file.grasps.path), self.roots)
        return Seen(np.asarray(found.mesh.vertices), np.asarray(found.mesh.faces), None)
