"""`grasps.parquet` and `dataset_info.json`: one row a grasp, failed rows included."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zdg_jax.columns import stored
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps

GRASPS_FILE = "grasps.parquet"
INFO_FILE = "dataset_info.json"


def write_dataset(folder: Path, grasps: Grasps, info: Mapping[str, Any]) -> Path:
    """Write `grasps.parquet` (zstd) and `dataset_info.json`; each appears whole or not at all.

    Args:
      folder: an existing folder.
      grasps: failed ones included.
      info: `joint_names` (in column order), frames, units, versions, and the objects' sources.
    Returns: the parquet file.
    """
    data = parquet(grasps.to_table())
    write_atomic(folder / INFO_FILE, json.dumps(info, indent=2, sort_keys=True).encode() + b"\n")
    return write_atomic(folder / GRASPS_FILE, data)


def parquet(table: pa.Table) -> bytes:
    """A whole parquet file (zstd)."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def load_grasps(path: Path) -> tuple[Grasps, dict[str, Any]]:
    """`read_dataset` as grasps, with the info."""
    table, info = read_dataset(path)
    return Grasps.from_table(table, info["hand"], info["joint_names"]), info


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
        names = [column.name for column in stored() if not column.newer]
        _ = list(info["joint_names"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"no readable {INFO_FILE} beside {path}", "the pair that `zdg synth` wrote", "copy both files"
        ) from error
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise UserError(
            f"{path} without {', '.join(missing)}", "the columns of grasps.parquet", "synthesize it again"
        )
    return table, info


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
