"""`Grasps`: a batch of grasps, columnar, from the end of the optimiser to the parquet file and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int, Int16, Shaped

from zdg_jax import arrow
from zdg_jax import status as statuses
from zdg_jax.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

#: Of a file of grasps.
FORMAT = "zdg-jax grasps 1"
#: Field of `Grasps` -> its column in files.
_FIELDS = {
    "hand_pose": "hand_pose",
    "joints": "joints",
    "pregrasp_pose": "pregrasp_pose",
    "pregrasp": "pregrasp_joints",
    "squeeze": "squeeze_joints",
}


@dataclass(frozen=True, eq=False)
class Grasps:
    """N grasps of one hand; the batch axis leads, and nothing is ever changed in place.

    Examples:
      >>> kept = grasps.take(grasps.ok).best(8)            # doctest: +SKIP
      >>> kept["p_dep_cm"].mean(), kept.to_table()         # doctest: +SKIP

    Attributes:
      hand: its name.
      joint_names: of the active joints, in the order of `joints`.
      hand_pose: xyz (metres) and wxyz of link 0 in the object frame; NaN where there is no grasp.
      joints: active joints, radians.
      pregrasp_pose, pregrasp, squeeze: the hand before the grasp, and joint targets after it; NaN where no
        closing was planned.
      status: places in `zdg_jax.status.Status`.
      status_reason: one line each, "" for nothing to say.
      object_index: which object of the caller's a grasp is of.
      task_index: of `tasks`.
      columns: further columns by name, see `zdg_jax.columns`; the terms of eq. 8 as `energy.NAME`. A missing
        value is NaN, of a yes/no column or a count too.
      tasks: `TASK_COLUMNS` of each task, as far as they are known.
    """

    hand: str
    joint_names: tuple[str, ...]
    hand_pose: Float[np.ndarray, "n 7"]
    joints: Float[np.ndarray, "n active"]
    pregrasp_pose: Float[np.ndarray, "n 7"]
    pregrasp: Float[np.ndarray, "n active"]
    squeeze: Float[np.ndarray, "n active"]
    status: Int16[np.ndarray, " n"]
    status_reason: Shaped[np.ndarray, " n"]
    object_index: Int[np.ndarray, " n"]
    task_index: Int[np.ndarray, " n"]
    columns: Mapping[str, Shaped[np.ndarray, "n ..."]] = field(default_factory=dict)
    tasks: tuple[Mapping[str, Any], ...] = ({},)

    @classmethod
    def of(
        cls,
        hand: str,
        joint_names: Sequence[str],
        hand_pose: Float[np.ndarray, "n 7"],
        joints: Float[np.ndarray, "n active"],
        *,
        status: Sequence[str] | Shaped[np.ndarray, " n"] | None = None,
        status_reason: Sequence[str] | Shaped[np.ndarray, " n"] | None = None,
        columns: Mapping[str, Shaped[np.ndarray, "n ..."]] | None = None,
        tasks: Sequence[Mapping[str, Any]] = ({},),
        **fields: Any,
    ) -> Grasps:
        """Grasps from a pose and joints; all else may be left out.

        Args:
          hand, joint_names, hand_pose, joints, columns, tasks: see the class.
          status: names; all "ok" by default. One from outside `Status` becomes "other", and its reason begins
            with it.
          status_reason: sentences; none by default.
          fields: other attributes of the class.
        Raises:
          UserError: a hand that is no name, joints that are not one number for each name and grasp, a pose
            that is not seven.
        """
        if not isinstance(hand, str):
            raise UserError(
                f"a {type(hand).__name__} as hand", "its name", "e.g. HAND.name, HAND.active_names"
            )
        for name in joint_names:
            if not isinstance(name, str):
                raise UserError(f"a {type(name).__name__} as joint name", "text", "e.g. HAND.active_names")
        joints = numbers("joints", joints, (None, len(joint_names)))
        n, active = joints.shape
        hand_pose = numbers("hand_pose", hand_pose, (n, 7))
        names = np.full(n, "ok") if status is None else status
        code, reason = _coded(names, np.full(n, "", object) if status_reason is None else status_reason)
        nothing = {
            "pregrasp_pose": np.full((n, 7), np.nan),
            "pregrasp": np.full((n, active), np.nan),
            "squeeze": np.full((n, active), np.nan),
            "object_index": np.zeros(n, np.int64),
            "task_index": np.zeros(n, np.int64),
        }
        return cls(
            hand=hand, joint_names=tuple(joint_names), hand_pose=hand_pose, joints=joints, status=code,
            status_reason=reason, columns=dict(columns or {}), tasks=tuple(tasks), **(nothing | fields),
        )  # fmt: skip

    @classmethod
    def failed(
        cls,
        hand: str,
        joint_names: Sequence[str],
        status: str,
        reason: str,
        task: Mapping[str, Any] | None = None,
    ) -> Grasps:
        """The one row of a task that came to no grasp."""
        return cls.of(
            hand, joint_names, np.full((1, 7), np.nan), np.full((1, len(joint_names)), np.nan),
            status=[status], status_reason=[reason], columns={"start": np.array([-1])}, tasks=(task or {},),
        )  # fmt: skip

    @classmethod
    def empty(cls, hand: str, joint_names: Sequence[str]) -> Grasps:
        """No grasp at all."""
        nothing = np.zeros((0, len(joint_names)))
        return cls.of(hand, joint_names, np.zeros((0, 7)), nothing, columns={"start": np.zeros(0, np.int64)})

    def __len__(self) -> int:
        return len(self.status)

    def __getitem__(self, name: str) -> Shaped[np.ndarray, "n ..."]:
        """A column.

        Raises:
          KeyError: there is none of that name; the message lists those there are.
        """
        if name not in self.columns:
            raise KeyError(f"column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    @property
    def ok(self) -> Bool[np.ndarray, " n"]:
        """Which have status "ok"."""
        return self.status == statuses.OK

    @property
    def kept(self) -> Grasps:
        """Those that were kept: they have a rank."""
        rank = np.asarray(self.columns.get("rank", np.full(len(self), np.nan)), float)
        return self.take(np.isfinite(rank))

    @property
    def status_name(self) -> Shaped[np.ndarray, " n"]:
        """The statuses as files name them."""
        return statuses.names(self.status)

    def take(self, which: Int[np.ndarray, " k"] | Bool[np.ndarray, " n"] | slice) -> Grasps:
        """The rows of these numbers, in their order, or those that a mask marks; of a slice, views."""
        rows = {name: getattr(self, name)[which] for name in _ROWS}
        return replace(self, **rows, columns={name: v[which] for name, v in self.columns.items()})

    def with_columns(self, columns: Mapping[str, Shaped[np.ndarray, "n ..."]]) -> Grasps:
        """The same with further columns, or others in their place; those of fields of the class go there.

        Raises:
          ValueError: a column of another length.
        """
        fields: dict[str, Any] = {}
        further = dict(self.columns)
        places = {column: name for name, column in _FIELDS.items()}
        for name, values in columns.items():
            if len(values) != len(self):
                raise ValueError(f"got {len(values)} values of {name}; expected {len(self)}")
            if name in places:
                fields[places[name]] = np.asarray(values, np.float64)
            elif name not in ("status", "status_reason"):
                further[name] = np.asarray(values)
        if "status" in columns or "status_reason" in columns:
            names, reasons = (
                columns.get("status", self.status_name),
                columns.get("status_reason", self.status_reason),
            )
            fields["status"], fields["status_reason"] = _coded(names, reasons)
        return replace(self, **fields, columns=further)

    def with_task(self, task: Mapping[str, Any]) -> Grasps:
        """The same, all of one task that is known by these columns."""
        return replace(self, tasks=(task,), task_index=np.zeros(len(self), np.int64))

    def order(self) -> Int[np.ndarray, " n"]:
        """Row numbers, best first: by `rank` where known; then "ok", "stopped", others, each by `score`."""
        group = np.select([self.ok, self.status_name == "stopped"], [0, 1], 2)
        last = np.full(len(self), np.inf)
        score = np.nan_to_num(np.asarray(self.columns.get("score", last), float), nan=np.inf)
        rank = np.nan_to_num(np.asarray(self.columns.get("rank", last), float), nan=np.inf)
        return np.lexsort((score, group, rank))

    def best(self, k: int = 1) -> Grasps:
        """The first k of `order`."""
        return self.take(self.order()[:k])

    def why_none(self) -> tuple[str, str]:
        """Status and reason of most of the rows, of those equally often the first."""
        ((which, _),) = Counter(zip(self.status_name, self.status_reason, strict=True)).most_common(1)
        return str(which[0]), str(which[1])

    def to_table(self) -> pa.Table:
        """`grasps.parquet`'s columns as an Arrow table, with hand, joint names and units in its metadata.

        Raises:
          KeyError: a column that `zdg_jax.columns` does not know.
          pyarrow.ArrowInvalid: a column that must not be null is.
        """
        given = {file: getattr(self, field) for field, file in _FIELDS.items()}
        given |= {"hand": np.full(len(self), self.hand, object), "status": self.status_name}
        given |= {"status_reason": self.status_reason, **self.columns}
        return arrow.table(given, self.tasks, self.task_index, len(self.joint_names), self._about())

    @classmethod
    def from_table(cls, table: pa.Table, hand: str = "", joint_names: Sequence[str] = ()) -> Grasps:
        """What `to_table` made, also of older files.

        Args:
          table: as read.
          hand, joint_names: those of its metadata by default.
        """
        given, tasks, index, about = arrow.read(table)
        fields = {field: given.pop(file) for field, file in _FIELDS.items() if file in given}
        own = {name: given.pop(name) for name in ("status", "status_reason")}
        given.pop("hand", None)
        names = joint_names or about.get("joint_names", ())
        return cls.of(
            hand or about.get("hand", ""), names, fields.pop("hand_pose"),
            fields.pop("joints"), **own, columns=given, tasks=tasks, task_index=index, **fields,
        )  # fmt: skip

    def save(self, path: str | Path) -> Path:
        """Write one parquet file (zstd); `load` reads it back."""
        import pyarrow.parquet as pq

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.to_table(), path, compression="zstd")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Grasps:
        """Read a parquet file of ours, or the folder that `zdg synth` wrote.

        Raises:
          UserError: no such file.
        """
        import pyarrow.parquet as pq

        path = Path(path)
        path = path / "grasps.parquet" if path.is_dir() else path
        if not path.is_file():
            raise UserError(f"no file at {path}", "a grasps.parquet", "check the path")
        return cls.from_table(pq.read_table(path))

    def _about(self) -> dict[str, Any]:
        """What a reader must know besides the columns."""
        return {
            "format": FORMAT,
            "hand": self.hand,
            "joint_names": list(self.joint_names),
            "hand_pose": "xyz (m), wxyz: the hand's base link in the object frame (right-handed, +y up)",
            "joints": "rad",
        }


#: Attributes with one entry a row.
_ROWS = (*_FIELDS, "status", "status_reason", "object_index", "task_index")


def numbers(
    what: str, values: Any, shape: tuple[int | None, ...]
) -> Float[np.ndarray, "..."] | Int[np.ndarray, "..."]:
    """The same as an array, if it holds real numbers in that shape.

    Args:
      what: to call it.
      values: an array or what numpy makes one of.
      shape: None for any length.
    Raises:
      UserError: it does not.
    """
    array = np.asarray(values)
    fits = array.ndim == len(shape) and all(m in (None, n) for m, n in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "fiu":
        wanted = "[" + ", ".join("N" if m is None else str(m) for m in shape) + "]"
        raise UserError(
            f"{what} of shape {list(array.shape)}, {array.dtype}",
            f"real numbers of shape {wanted}",
            "one row a grasp; poses are xyz and wxyz, joints those of HAND.active_names",
        )
    return array


def concat(parts: Sequence[Grasps]) -> Grasps:
    """Batches of one hand, one after the other; a column that some lack is missing (NaN, None) in their rows.

    Raises:
      ValueError: no batch, or batches of several hands.
    """
    if not parts or len({(p.hand, p.joint_names) for p in parts}) > 1:
        raise ValueError(f"got batches of {[p.hand for p in parts]}; expected at least one, of one hand")
    first = parts[0]
    names = list(dict.fromkeys(name for p in parts for name in p.columns))
    columns = {name: np.concatenate(_alike([_column(p, name) for p in parts])) for name in names}
    shift = np.cumsum([0, *(len(p.tasks) for p in parts)])
    rows = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _ROWS}
    rows["task_index"] = np.concatenate([p.task_index + s for p, s in zip(parts, shift, strict=False)])
    return replace(first, **rows, columns=columns, tasks=tuple(t for p in parts for t in p.tasks))


def _coded(
    names: Sequence[str] | Shaped[np.ndarray, " n"], reasons: Sequence[str] | Shaped[np.ndarray, " n"]
) -> tuple[Int16[np.ndarray, " n"], Shaped[np.ndarray, " n"]]:
    """Codes and reasons; a name from outside `Status` is "other", and its reason begins with it."""
    names, reason = np.asarray(names, np.str_), np.array(list(reasons), object)
    code = statuses.codes(names)
    for i in np.flatnonzero(statuses.names(code) != names):
        reason[i] = f"{names[i]}: {reason[i]}"
    return code, reason


def _column(part: Grasps, name: str) -> np.ndarray | int:
    return part.columns[name] if name in part.columns else len(part)


def _alike(values: list[np.ndarray | int]) -> list[np.ndarray]:
    """A number stands for so many missing rows."""
    known = [v for v in values if isinstance(v, np.ndarray)]
    if len(known) == len(values):
        return known
    text = known[0].dtype.kind in "UO"
    shape = known[0].shape[1:]
    return [
        (v.astype(object) if text else v.astype(np.float64))
        if isinstance(v, np.ndarray)
        else np.full((v, *shape), None if text else np.nan)
        for v in values
    ]
