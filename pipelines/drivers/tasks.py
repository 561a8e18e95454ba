"""The table of tasks: read, checked, and refused before anything is paid."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipelines.drivers.files import Folder
from zdg_jax.errors import UserError, storable
from zdg_jax.foreign import parse_json, read_bytes

REQUIRED = ("object", "task")
OPTIONAL = ("task_id", "name", "scale", "up", "seed")
MOST_BYTES = 1 << 30


def _csv(data: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    """All text: an id 007 stays one, and a task may be called NA."""
    text = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys((*REQUIRED, *OPTIONAL), pa.string()),
        strings_can_be_null=False,
        null_values=[],
    )
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    table = pyarrow.csv.read_csv(pa.BufferReader(data), convert_options=text, parse_options=parsing)
    return table.column_names, table.select(_known(table.column_names)).to_pylist()


def _json_lines(data: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    rows = []
    for number, line in enumerate(data.decode("utf-8-sig").splitlines(), start=1):
        if line.strip():
            row = parse_json(line, f"line {number}")
            if not isinstance(row, dict):
                raise UserError(
                    f"line {number}, a {type(row).__name__}", "one object a line", "mend that line"
                )
            rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [{name: row.get(name) for name in _known(names)} for row in rows]


def _parquet(data: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    file = pq.ParquetFile(pa.BufferReader(data))
    if file.metadata.num_rows > MOST_BYTES // 64:
        raise UserError(f"{file.metadata.num_rows} rows", f"at most {MOST_BYTES // 64}", "split the table")
    names = file.schema_arrow.names
    return names, file.read(columns=_known(names)).to_pylist()


def _known(names: Sequence[str]) -> list[str]:
    return [name for name in (*REQUIRED, *OPTIONAL) if name in names]


READERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}


@dataclass(frozen=True)
class TaskSpec:
    """One row of the table.

    Attributes:
      task_id: the row's own, or a hash of everything else.
      object: a mesh file or ycb:NAME, as for `zdg synth`.
      task: S, the sentence.
      name, scale, up: of the object, as for `zdg synth`.
      seed: of every random choice.
    """

    task_id: str
    object: str
    task: str
    name: str | None = None
    scale: float = 1.0
    up: str | None = None
    seed: int = 0

    @property
    def object_key(self) -> str:
        """The same for tasks that share a prepared object."""
        return json.dumps([self.object, self.name, self.scale, self.up])

    @property
    def content_sha(self) -> str:
        """Of all but the id: an id that stands for something else is found out."""
        content = {k: v for k, v in asdict(self).items() if k != "task_id"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TaskTable:
    """All tasks, those of one object together; `ignored` names columns that mean nothing here."""

    tasks: tuple[TaskSpec, ...]
    ignored: tuple[str, ...]

    @property
    def objects(self) -> tuple[str, ...]:
        """Keys of the objects, in order."""
        return tuple(dict.fromkeys(task.object_key for task in self.tasks))


def read_tasks(path: str, default_seed: int = 0) -> TaskTable:
    """Read TASKS.parquet|csv|jsonl, local or by URI, and check every row.

    Args:
      path: with columns `object` and `task`, and perhaps those of `OPTIONAL`.
      default_seed: of rows without one.

    Raises:
      UserError: unreadable, empty, a column missing or of a wrong kind, an id twice, an object that is not
        there.
    """
    names, rows = _read(path)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise UserError(
            f"{path} without column {', '.join(missing)} (it has {', '.join(names)})",
            f"columns {', '.join(REQUIRED)}, and perhaps {', '.join(OPTIONAL)}",
            "add or rename columns",
        )
    if not rows:
        raise UserError(f"{path} without a single row", "one row a task", "add tasks")
    tasks = [_task(path, number, row, default_seed) for number, row in enumerate(rows, start=1)]
    _check_ids(path, tasks)
    _check_objects(path, tasks)
    order = {key: place for place, key in enumerate(dict.fromkeys(t.object_key for t in tasks))}
    tasks.sort(key=lambda t: order[t.object_key])  # stable: rows of one object keep their order
    ignored = tuple(name for name in names if name not in (*REQUIRED, *OPTIONAL))
    return TaskTable(tuple(tasks), ignored)


def _read(path: str) -> tuple[list[str], list[dict[str, Any]]]:
    """(names of all columns, rows with those that mean something)."""
    kind = Path(path).suffix.lower()
    if kind not in READERS:
        raise UserError(f"tasks file {path}", f"one of {', '.join(READERS)}", "convert it")
    folder, _, name = path.rpartition("/")
    place = Folder(folder or ".", make=False)
    try:
        if place.local is not None:
            return READERS[kind](read_bytes(place.local / name, MOST_BYTES))
        return READERS[kind](place.read(name))
    except UserError as error:
        if place.local is not None and not (place.local / name).exists():
            raise UserError(f"no file at {path}", "a table of tasks", "check --tasks") from None
        got = error.got if path in error.got else f"{path}: {error.got}"
        raise type(error)(got, error.expected, error.do) from None
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"no file at {path}", "a table of tasks", "check --tasks") from None
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:  # a column twice
        if "Empty" in str(error):
            raise UserError(f"{path} without a single row", "one row a task", "add tasks") from None
        said = str(error).splitlines()[0][:120]
        raise UserError(f"{path}, unreadable ({said})", f"a {kind} table", "export it again") from None
    except OSError as error:
        raise UserError(f"{path} ({error})", "a table that can be read", "check --tasks") from None


def _task(path: str, number: int, row: Mapping[str, Any], default_seed: int) -> TaskSpec:
    def bad(column: str, expected: str) -> UserError:
        got = f"{path}, row {number}: {column} {row.get(column)!r}"
        return UserError(got, expected, f"mend row {number}")

    for column in REQUIRED:
        if not _is_text(row[column]) or not row[column].strip():
            raise bad(column, "some text")
    if row.get("name") is not None and not _is_text(row["name"]):
        raise bad("name", "some text, or nothing")
    scale = _number(row.get("scale"), float)
    if scale is None:
        scale = 1.0
    if (
        isinstance(scale, bool)
        or not isinstance(scale, int | float)
        or not (math.isfinite(scale) and scale > 0)
    ):
        raise bad("scale", "a positive number, or nothing")
    up = row.get("up") or None
    if up not in (None, "x", "y", "z"):
        raise bad("up", "x, y or z, or nothing")
    seed = _number(row.get("seed"), int)
    if seed is None:
        seed = default_seed
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise bad("seed", "0 to 2147483647, or nothing")
    name = (row.get("name") or "").strip() or None
    spec = TaskSpec("", row["object"].strip(), row["task"].strip(), name, float(scale), up, seed)
    given = row.get("task_id")
    if given is not None and (not str(given).strip() or "\0" in str(given) or not _is_text(str(given))):
        raise bad("task_id", "a name, or nothing")
    return TaskSpec(
        spec.content_sha if given is None else str(given).strip(), *list(asdict(spec).values())[1:]
    )


def _is_text(value: Any) -> bool:
    """Whether it is text that a file can hold: an escape in JSON may be half a letter."""
    return isinstance(value, str) and storable(value) == value


def _number(value: Any, kind: type) -> Any:
    """Text as a number where it is one; nothing for empty text."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return kind(value)
    except ValueError:
        return value


def _check_ids(path: str, tasks: Sequence[TaskSpec]) -> None:
    seen: dict[str, int] = {}
    for number, task in enumerate(tasks, start=1):
        if task.task_id in seen:
            raise UserError(
                f"{path}: task_id {task.task_id!r} in rows {seen[task.task_id]} and {number}",
                "one row a task (without the column task_id, rows must differ in something)",
                "drop or rename one, or give them different seeds",
            )
        seen[task.task_id] = number


def _check_objects(path: str, tasks: Sequence[TaskSpec]) -> None:
    from zdg_jax.objects.sources import check_source

    known: set[str] = set()
    for number, task in enumerate(tasks, start=1):
        if task.object in known:
            continue
        try:
            check_source(task.object)
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error.got}", error.expected, error.do) from None
        known.add(task.object)
