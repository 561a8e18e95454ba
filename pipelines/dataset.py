"""`grasps.parquet` and `dataset_info.json` (DESIGN §9): one row a grasp, failed rows included."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from zdg_jax.errors import UserError

GRASPS_FILE = "grasps.parquet"
INFO_FILE = "dataset_info.json"
METRICS = (
    "p_dep_cm",
    "p_vol_cm3",
    "sim_dis_cm",
    "sim_suc",
    "six_force_suc",
    "part_acc",
    "sc_ratio",
    "p_score",
)
# further measures of a grasp (docs/metrics.md); files written before they existed lack them
MORE_METRICS = {
    "p_vol_voxel_cm3": pa.float64(),
    "self_pen_cm": pa.float64(),
    "contact_fingers": pa.int32(),
    "contact_number": pa.int32(),
    "contact_distance_cm": pa.float64(),
    "contact_consistency_cm": pa.float64(),
    "force_closure": pa.bool_(),
    "fc_epsilon": pa.float64(),
    "fc_min_weight": pa.float64(),
    "p_dep_collision_cm": pa.float64(),
}
# how the hand comes and presses (docs/simulation.md), beside pregrasp_joints and squeeze_joints; newer, too
CLOSING = {
    "pregrasp_pose": pa.list_(pa.float32(), 7),
    "pregrasp_gap_cm": pa.float64(),
    "approach_free": pa.bool_(),
    "approach_reason": pa.string(),
    "squeeze_way": pa.string(),
    "six_force_held": pa.int32(),
}
NEWER = (*MORE_METRICS, *CLOSING, "answered_by")

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


def grasp_schema(num_joints: int) -> pa.Schema:
    """The schema of DESIGN §9 for a hand of that many active joints.

    The columns after `p_score` are additions: `contact_end` (still touching after the gravity test),
    `p_dep_object_cm` (depth of the object's surface points in the hand, which shows thin walls pierced),
    `initial_*` (the same measures of the unrefined start), `rank` (0 = best kept grasp of its task),
    `MORE_METRICS`, `CLOSING`, and `answered_by` (the models that answered, which need not be those asked).

    Args:
      num_joints: n, the length of every joint list.
    Returns: the schema; everything but the identifying columns may be null.
    """
    from zdg_jax.refine.energies import TERMS  # here: commands that only ask import no JAX

    pose, joints = pa.list_(pa.float32(), 7), pa.list_(pa.float32(), num_joints)
    text, real, flag = pa.string(), pa.float64(), pa.bool_()
    fields: list[tuple[str, pa.DataType, bool]] = [
        ("grasp_id", text, False),
        ("task_id", text, False),
        ("object_id", text, False),
        ("object_scale", real, False),
        ("mesh_sha256", text, False),
        ("hand", text, False),
        ("task", text, False),
        ("reasoner", text, False),
        ("status", text, False),
        ("status_reason", text, False),
        ("seed", pa.int64(), False),
        ("config_sha", text, False),
        ("code_version", text, False),
        ("hand_pose", pose, True),
        ("joints", joints, True),
        ("pregrasp_joints", joints, True),
        ("squeeze_joints", joints, True),
        ("init_pose", pose, True),
        ("init_joints", joints, True),
        ("part_ids", pa.list_(pa.int32()), True),
        ("contact_points", pa.list_(pa.list_(pa.float32(), 3), 2), True),
        ("direction", text, True),
        ("grasp_type", text, True),
        ("rotation_index", pa.int32(), True),
        ("view_index", pa.int32(), True),
        ("energy_total", real, True),
        ("energy", pa.struct([(term, pa.float64()) for term in TERMS]), True),
        ("p_dep_cm", real, True),
        ("p_vol_cm3", real, True),
        ("sim_dis_cm", real, True),
        ("sim_suc", flag, True),
        ("six_force_suc", flag, True),
        ("part_acc", real, True),
        ("sc_ratio", real, True),
        ("p_score", real, True),
        ("calls", pa.list_(_CALL), False),
        ("contact_end", flag, True),
        ("p_dep_object_cm", real, True),
        ("initial_p_dep_cm", real, True),
        ("initial_p_vol_cm3", real, True),
        ("rank", pa.int32(), True),
        *((name, kind, True) for name, kind in (MORE_METRICS | CLOSING).items()),
        ("answered_by", pa.list_(text), True),
    ]
    return pa.schema([pa.field(name, kind, nullable=nullable) for name, kind, nullable in fields])


def rows_to_table(rows: Sequence[Mapping[str, Any]], num_joints: int) -> pa.Table:
    """Rows to a checked table; a key that a row lacks is null, an unknown key is an error.

    Args:
      rows: plain values, numpy arrays and scalars, or nested lists and dicts of them.
      num_joints: n of `grasp_schema`.
    Raises:
      KeyError: a row has a key outside the schema.
      pyarrow.ArrowInvalid: a value does not fit, or an identifying column is null.
    """
    schema = grasp_schema(num_joints)
    for row in rows:
        unknown = set(row) - set(schema.names)
        if unknown:
            raise KeyError(f"not in the schema: {sorted(unknown)}")
    plain = [{k: _plain(v) for k, v in row.items()} for row in rows]
    table = pa.Table.from_pylist(plain, schema=schema)
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise pa.ArrowInvalid(f"column {field.name} must have a value in every row")
    return table


def write_dataset(folder: Path, rows: Sequence[Mapping[str, Any]], info: Mapping[str, Any]) -> Path:
    """Write `grasps.parquet` (zstd) and `dataset_info.json`; each appears whole or not at all.

    Args:
      folder: an existing folder.
      rows: as for `rows_to_table`.
      info: `joint_names` (in column order), frames, units, versions, and the objects' sources.
    Returns: the parquet file.
    """
    table = rows_to_table(rows, len(info["joint_names"]))
    write_atomic(folder / INFO_FILE, json.dumps(_plain(info), indent=2, sort_keys=True).encode() + b"\n")
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return write_atomic(folder / GRASPS_FILE, sink.getvalue().to_pybytes())


def write_atomic(path: Path, data: bytes) -> Path:
    """Write a whole file through a temporary neighbour, so that no reader sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def read_dataset(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """A parquet file that `write_dataset` made, and its info.

    Raises:
      UserError: no such file, not a parquet file, no `dataset_info.json` beside it, or columns missing.
    """
    path = path / GRASPS_FILE if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"no file at {path}", "a grasps.parquet that `zdg synth` wrote", "check the path")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise UserError(
            f"{path}, which is not a parquet file", "a grasps.parquet", "check the path"
        ) from error
    # A shard of `pipelines.generate` lies one folder below what describes it.
    places = [folder / INFO_FILE for folder in (path.parent, path.parent.parent)]
    info_path = next((place for place in places if place.is_file()), places[0])
    try:
        info = json.loads(info_path.read_text(encoding="utf-8"))
        names = grasp_schema(len(info["joint_names"])).names
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"no readable {INFO_FILE} beside {path}", "the pair that `zdg synth` wrote", "copy both files"
        ) from error
    missing = [name for name in names if name not in (*table.column_names, *NEWER)]
    if missing:
        raise UserError(
            f"{path} without {', '.join(missing)}", "the columns of grasps.parquet", "synthesize it again"
        )
    return table, info


def column_array(table: pa.Table, name: str) -> Float[np.ndarray, "rows *width"]:
    """A numeric or fixed-size-list column as a float array; nulls become NaN.

    Args:
      table: as read; name: the column.
    Returns: one row a grasp, with the list sizes as further axes.
    """
    kind = table.schema.field(name).type
    shape = []
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    nothing = np.full(shape, np.nan)
    values = [nothing if v is None else v for v in table[name].to_pylist()]
    return np.array(values, dtype=np.float64).reshape(table.num_rows, *shape)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(v) for v in value]
    return value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
