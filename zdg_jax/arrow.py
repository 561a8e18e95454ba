"""Columns of grasps to and from Arrow: whole arrays, no row is ever a Python object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int, Shaped

from zdg_jax.columns import BUILT_IN_TERMS, COLUMNS, TASK_COLUMNS, Column, stored
from zdg_jax.errors import storable

MOST_SIZE = 1e4  # metres, radians: what is beyond is no pose of a hand
_METADATA = b"zdg_jax"

_CALL = pa.struct(
    [
        ("stage", pa.string()),
        ("provider", pa.string()),
        ("model", pa.string()),
        ("prompt_sha", pa.string()),
        ("attempts", pa.int32()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("cost_usd", pa.float64()),
        ("latency_s", pa.float64()),
        ("asked", pa.string()),
    ]
)


def arrow_type(column: Column, num_joints: int, terms: Sequence[str] = BUILT_IN_TERMS) -> pa.DataType:
    """The Arrow type of a column, for a hand of so many active joints and eq. 8 of these terms."""
    kinds = {
        "text": pa.string(),
        "real": pa.float64(),
        "flag": pa.bool_(),
        "count": pa.int32(),
        "int": pa.int64(),
        "pose": pa.list_(pa.float32(), 7),
        "joints": pa.list_(pa.float32(), num_joints),
        "points": pa.list_(pa.list_(pa.float32(), 3), 2),
        "numbers": pa.list_(pa.int32()),
        "texts": pa.list_(pa.string()),
        "calls": pa.list_(_CALL),
        "terms": pa.struct([(term, pa.float64()) for term in terms]),
    }
    return kinds[column.kind]


def schema(num_joints: int, terms: Sequence[str] = BUILT_IN_TERMS) -> pa.Schema:
    """The schema of `grasps.parquet`; arguments as of `arrow_type`."""
    kinds = [(c, arrow_type(c, num_joints, terms)) for c in stored()]
    return pa.schema([pa.field(c.name, kind, nullable=not c.required) for c, kind in kinds])


def table(
    given: Mapping[str, Shaped[np.ndarray, "n ..."]],
    tasks: Sequence[Mapping[str, Any]],
    task_index: Int[np.ndarray, " n"],
    num_joints: int,
    about: Mapping[str, Any],
) -> pa.Table:
    """The columns of `grasps.parquet`.

    Args:
      given: columns by name; NaN is missing, the terms of eq. 8 are `energy.NAME`.
      tasks: `TASK_COLUMNS` of each task.
      task_index: which of them each row is of.
      num_joints: active joints.
      about: goes into the schema's metadata.
    Raises:
      KeyError: a column that is not known.
      pyarrow.ArrowInvalid: a column that must not be null is.
    """
    unknown = [name for name in given if name.partition(".")[0] not in COLUMNS]
    if unknown:
        raise KeyError(f"not among the columns: {unknown}")
    terms = dict.fromkeys(name.partition(".")[2] for name in given if name.startswith("energy."))
    made = schema(num_joints, tuple(terms) or BUILT_IN_TERMS)
    rows = _Rows(given, tasks, task_index)
    arrays = {f.name: rows.array(COLUMNS[f.name], f.type) for f in made}
    for f in made:
        if not f.nullable and arrays[f.name].null_count:
            raise pa.ArrowInvalid(f"column {f.name} must have a value in every row")
    said = {_METADATA: json.dumps(dict(about)).encode()}
    return pa.table(list(arrays.values()), schema=made.with_metadata(said))


@dataclass(frozen=True)
class _Rows:
    given: Mapping[str, np.ndarray]
    tasks: Sequence[Mapping[str, Any]]
    index: np.ndarray

    def array(self, column: Column, kind: pa.DataType) -> pa.Array:
        n, name = len(self.index), column.name
        if column.kind == "terms":
            return _struct(self.given, name, kind, n)
        if name == "grasp_id" and "start" in self.given:
            own = self.given.get(name, np.full(n, None, object))
            return pc.coalesce(pa.array(list(own), kind), self.ids())
        if name in self.given:
            return _values(self.given[name], column, kind)
        if name in TASK_COLUMNS:
            return self.shared(column, kind)
        if pa.types.is_fixed_size_list(kind):
            return _lists(np.full((n, *_shape(kind)), np.nan), kind)
        return pa.nulls(n, kind)

    def shared(self, column: Column, kind: pa.DataType) -> pa.Array:
        """A task's value in each of its rows."""
        values = [_plain(task.get(column.name)) for task in self.tasks]
        if pa.types.is_fixed_size_list(kind):
            nothing = np.full(_shape(kind), np.nan)
            filled = np.array([nothing if v is None else v for v in values], np.float64)
            return _lists(filled[self.index], kind)
        return pa.array(values, kind).take(pa.array(self.index))

    def ids(self) -> pa.Array:
        """TASK-SEED-START, START "none" for a task that came to no grasp."""
        start = np.nan_to_num(np.asarray(self.given["start"], np.float64), nan=-1).astype(np.int64)
        task, seed = (
            pa.array([storable(str(t.get(name))) for t in self.tasks]).take(pa.array(self.index))
            for name in ("task_id", "seed")
        )
        number = pc.utf8_lpad(pa.array(start).cast(pa.string()), 4, "0")
        number = pc.if_else(pa.array(start < 0), "none", number)
        return pc.binary_join_element_wise(task, seed, number, "-")


def _values(values: Shaped[np.ndarray, "n ..."], column: Column, kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        return _lists(values, kind)
    if column.kind in ("real", "flag", "count", "int"):
        missing = ~np.isfinite(np.asarray(values, np.float64))
        safe = np.where(missing, 0, values)
        safe = safe.astype(bool) if column.kind == "flag" else safe
        return pa.array(safe, mask=missing).cast(kind)
    return pa.array(_plain(values), kind)


def _lists(values: Float[np.ndarray, "n *width"], kind: pa.DataType) -> pa.Array:
    """Rows that are not finite throughout hold NaN; never null, which readers take in different ways."""
    fine = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    flat = np.where(fine.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)
    made = pa.array(np.ascontiguousarray(flat, np.float32).reshape(-1))
    sizes = []
    while pa.types.is_fixed_size_list(kind):
        sizes.append(kind.list_size)
        kind = kind.value_type
    for size in reversed(sizes):
        made = pa.FixedSizeListArray.from_arrays(made, size)
    return made


def _struct(given: Mapping[str, np.ndarray], name: str, kind: pa.DataType, n: int) -> pa.Array:
    names = _terms(kind)
    if not any(f"{name}.{term}" in given for term in names):
        return pa.nulls(n, kind)
    values = [np.asarray(given.get(f"{name}.{term}", np.full(n, np.nan)), np.float64) for term in names]
    nothing = ~np.isfinite(values).any(axis=0)
    arrays = [pa.array(v, mask=~np.isfinite(v)) for v in values]
    return pa.StructArray.from_arrays(arrays, names, mask=pa.array(nothing))


def _terms(kind: pa.DataType) -> list[str]:
    return [kind.field(i).name for i in range(kind.num_fields)]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist()) if value.dtype.kind in "OU" else value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, str):
        return storable(value)
    return value


def read(
    made: pa.Table,
) -> tuple[dict[str, np.ndarray], list[Mapping[str, Any]], Int[np.ndarray, " n"], dict[str, Any]]:
    """(columns, tasks, which of them each row is of, what the metadata say) of what `table` made.

    Older files are read too; a column that is not known, as of a newer version, is left out.
    """
    about = json.loads((made.schema.metadata or {}).get(_METADATA, b"{}"))
    columns: dict[str, np.ndarray] = {}
    for name in made.column_names:
        if name not in COLUMNS or name in TASK_COLUMNS:
            continue
        if COLUMNS[name].kind == "terms":
            struct = _whole(made[name])
            columns |= {f"{name}.{t}": _reals(pc.struct_field(struct, t)) for t in _terms(struct.type)}
        else:
            columns[name] = _read(made, name, COLUMNS[name])
    tasks, index = _tasks(made)
    if "calls" in made.column_names and made.num_rows:
        size = pc.list_value_length(_whole(made["calls"])).to_numpy(zero_copy_only=False)
        if (size != np.array([len(task["calls"]) for task in tasks])[index]).any():  # some were judged
            columns["calls"] = _read(made, "calls", COLUMNS["calls"])
    return columns, tasks, index, about


def _tasks(made: pa.Table) -> tuple[list[Mapping[str, Any]], Int[np.ndarray, " n"]]:
    """The distinct tasks and which of them each row is of."""
    shared = [name for name in TASK_COLUMNS if name in made.column_names]
    keys = [n for n in ("task_id", "seed", "direction", "rotation_index") if n in shared]
    if made.num_rows == 0 or not keys:
        return [{}], np.zeros(made.num_rows, np.int64)
    text = [pc.fill_null(made[name].cast(pa.string()), "") for name in keys]
    joined = pc.binary_join_element_wise(*text, "\x1f").combine_chunks().dictionary_encode()
    index = joined.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    first = np.unique(index, return_index=True)[1]
    return made.select(shared).take(pa.array(first)).to_pylist(), index


def array(made: pa.Table, name: str) -> Float[np.ndarray, "rows *width"]:
    """A numeric or fixed-size-list column as a float array; nulls are NaN.

    Args:
      made: as read.
      name: the column.
    Returns: one row a grasp, with the list sizes as further axes.
    """
    return _floats(_whole(made[name]))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks) if chunks else pa.nulls(0, column.type)


def _floats(column: pa.Array) -> Float[np.ndarray, "rows *width"]:
    kind = column.type
    if not pa.types.is_fixed_size_list(kind):
        return _reals(column)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    if missing.any():  # older files
        width = kind.list_size
        values = [v if v is not None else _nothing(kind) for v in column.to_pylist()]
        return np.array(values, np.float64).reshape(len(column), width, *_shape(kind.value_type))
    inner = _floats(column.flatten())
    return inner.reshape(len(column), kind.list_size, *inner.shape[1:])


def _shape(kind: pa.DataType) -> tuple[int, ...]:
    return (kind.list_size, *_shape(kind.value_type)) if pa.types.is_fixed_size_list(kind) else ()


def _nothing(kind: pa.DataType) -> Any:
    return np.full(_shape(kind), np.nan).tolist()


def _reals(column: pa.Array | pa.ChunkedArray) -> Float[np.ndarray, " rows"]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _read(made: pa.Table, name: str, column: Column) -> Shaped[np.ndarray, "n ..."]:
    """Flags and counts without a null as such, else as floats with NaN, also for absurd poses and joints."""
    if column.kind in ("text", "texts", "numbers", "calls"):
        return np.array([*made[name].to_pylist(), None], object)[:-1]
    values = array(made, name)
    if values.ndim == 1 and np.isfinite(values).all() and column.kind in ("flag", "count", "int"):
        return values.astype(bool if column.kind == "flag" else np.int64)
    return values if values.ndim == 1 else np.where(np.abs(values) <= MOST_SIZE, values, np.nan)
