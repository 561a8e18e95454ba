"""`grasps.parquet` and `dataset_info.json`: one row a grasp, failed rows included."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from zdg_jax.columns import stored
from zdg_jax.errors import UserError, machine_error, printable
from zdg_jax.foreign import load_json
from zdg_jax.grasps import Grasps
from zdg_jax.pose import is_pose
from zdg_jax.status import Status

if TYPE_CHECKING:
    from zdg_jax.hands.model import HandModel

GRASPS_FILE = "grasps.parquet"
INFO_FILE = "dataset_info.json"
#: Dataset hubs, and `datasets.load_dataset` of a folder, read the front matter of the file of this name.
CARD_FILE, OTHER_CARD = "README.md", "dataset_card.md"
CARD_MARK = "# Grasps of "


def write_dataset(folder: Path, grasps: Grasps, info: Mapping[str, Any]) -> Path:
    """Write `grasps.parquet` (zstd), `dataset_info.json` and a card; each appears whole or not at all.

    Hugging Face's `load_dataset(folder)` reads the card, README.md: without it it would take the pictures.

    Args:
      folder: an existing folder.
      grasps: failed ones included.
      info: `joint_names` (in column order), frames, units, versions, and the objects' sources.
    Returns: the parquet file.
    """
    data = parquet(grasps.to_table())
    there = folder / CARD_FILE
    name = card_name(there.read_bytes() if there.exists() else None)
    write_atomic(folder / name, _card(grasps).encode())
    write_atomic(folder / INFO_FILE, json.dumps(info, indent=2, sort_keys=True).encode() + b"\n")
    return write_atomic(folder / GRASPS_FILE, data)


def card_name(there: bytes | None) -> str:
    """`CARD_FILE`, or `OTHER_CARD` where what has that name (None: nothing) is a file of the user's."""
    kept = "" if there is None else there.decode("utf-8", "replace")
    ours = kept.startswith("---\nconfigs:\n") and f"\n{CARD_MARK}" in kept
    return CARD_FILE if there is None or ours else OTHER_CARD


def _card(grasps: Grasps) -> str:
    """Which file the rows are in, for dataset hubs, and what a row is, for people."""
    tasks = sorted({f"{task.get('object_id')}: {task.get('task')}" for task in grasps.tasks})
    return (
        "---\nconfigs:\n- config_name: default\n  data_files: " + GRASPS_FILE + "\n---\n"
        f"{CARD_MARK}{grasps.hand}\n\n{len(grasps)} rows, one a grasp; failed ones stay, with `status` and "
        "`status_reason`; kept ones have a `rank`, best 0. Metres, radians, +y up, quaternions wxyz; joint "
        "order, units and frames stand in the parquet file's own metadata and in `dataset_info.json`.\n\n"
        + "".join(f"- {printable(' '.join(task.split()))}\n" for task in tasks)
    )


def parquet(table: pa.Table) -> bytes:
    """A whole parquet file (zstd)."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def load_grasps(path: Path) -> tuple[Grasps, dict[str, Any]]:
    """`read_dataset` as grasps, with the info; what is no pose of a hand is not "ok", whatever the file says.

    Raises:
      UserError: as `read_dataset`, no row, or columns of other kinds.
    """
    table, info = read_dataset(path)
    if table.num_rows == 0:
        raise UserError(f"{path} without a grasp", "at least one row", "synthesize it again")
    try:
        return _posed(Grasps.from_table(table, info["hand"], info["joint_names"])), info
    except Exception as error:  # a column of another kind shows wherever it is first used
        if isinstance(error, UserError):
            raise
        said = f"{type(error).__name__} {' '.join(str(error).split())[:160]}"
        raise UserError(f"{path} ({said})", "the columns of grasps.parquet", "synthesize it again") from error


def _posed(grasps: Grasps) -> Grasps:
    fine = is_pose(grasps.hand_pose) & np.isfinite(grasps.joints).all(axis=1)
    wrong = grasps.ok & ~fine
    if not wrong.any():
        return grasps
    reason = np.where(wrong, Status.INVALID_POSE.sentence, grasps.status_reason)
    status = np.where(wrong, Status.INVALID_POSE.value, grasps.status_name)
    return grasps.with_columns({"status": status, "status_reason": reason})


def joint_order(names: Sequence[str], hand: HandModel) -> list[int]:
    """Places of the hand's joints in a file's columns, by name.

    Raises:
      UserError: the file lacks some.
    """
    missing = [j for j in hand.active_names if j not in names]
    if missing:
        raise UserError(
            f"a file without the joints {', '.join(missing)}",
            f"those of {hand.name}",
            "use the hand's own file",
        )
    return [list(names).index(j) for j in hand.active_names]


def write_atomic(path: Path, data: bytes) -> Path:
    """Write a whole file, in place of an older one: all of it or nothing is seen, after a power cut too."""
    with _beside(path, data) as temporary:
        os.replace(temporary, path)
    return path


def write_new(path: Path, data: bytes) -> Path:
    """`write_atomic` of a file that must not be there yet.

    Raises:
      FileExistsError: it is.
    """
    with _beside(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: claim the name, then fill it
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            os.replace(temporary, path)
    return path


def write_picture(path: Path, picture: Image.Image) -> Path:
    """`write_atomic` of a PNG file."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return write_atomic(path, data.getvalue())


TEMPORARY = (".zdg-", ".tmp")
"""How names of half-written files begin and end; a kill may leave one."""


@contextlib.contextmanager
def _beside(path: Path, data: bytes) -> Iterator[Path]:
    """The data on the disk under another name, for the block to give it its own."""
    begin, end = TEMPORARY
    temporary = path.with_name(f"{begin}{secrets.token_hex(8)}{end}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Names are on the disk too; some network file systems know no such thing."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


MOST_ROWS, MOST_BYTES = 20_000_000, 16 << 30


class ObjectInfo(BaseModel):
    """Where an object of a dataset came from."""

    source: Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]+$")]
    scale: Annotated[float, Field(gt=0, le=1e4)]
    up: Literal["x", "y", "z"] | None = None
    name: str | None = None


class Info(BaseModel):
    """What of `dataset_info.json` is read."""

    hand: Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]+$")]
    joint_names: list[str]
    objects: dict[str, ObjectInfo] = {}
    config: dict[str, Any] = {}


def _check_size(file: pq.ParquetFile, path: Path) -> None:
    """A parquet file may say in a few bytes that it is endless."""
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    total = sum(group.total_byte_size for group in groups)
    values = sum(group.column(k).num_values for group in groups for k in range(group.num_columns))
    if file.metadata.num_rows > MOST_ROWS or max(total, 8 * values) > MOST_BYTES:
        raise UserError(
            f"{path} of {file.metadata.num_rows} rows, {total / 2**30:.0f} GiB",
            f"at most {MOST_ROWS} rows, 16 GiB",
            "split it",
        )  # fmt: skip


def read_dataset(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """A parquet file that `write_dataset` made, and its info.

    Raises:
      UserError: no such file, not a parquet file, no `dataset_info.json` beside it, or columns missing.
    """
    path = path / GRASPS_FILE if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"no file at {path}", "a grasps.parquet that `zdg synth` wrote", "check the path")
    try:
        file = pq.ParquetFile(path)
        _check_size(file, path)
        table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise machine_error(error) or UserError(
            f"{path}, which is not a parquet file", "a grasps.parquet", "check the path"
        ) from error
    # A shard of `pipelines.generate` lies one folder below what describes it.
    places = [folder / INFO_FILE for folder in (path.parent, path.parent.parent)]
    info_path = next((place for place in places if place.is_file()), places[0])
    try:
        info = load_json(info_path)
        Info.model_validate(info)
    except UserError as error:
        raise UserError(
            f"no readable {INFO_FILE} beside {path} ({error.got})",
            "the pair that `zdg synth` wrote",
            "copy both files",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError(f"{info_path} ({said})", "the file that `zdg synth` wrote", "copy it again") from None
    names = [column.name for column in stored() if not column.newer]
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise UserError(
            f"{path} without {', '.join(missing)}", "the columns of grasps.parquet", "synthesize it again"
        )
    return table, info
