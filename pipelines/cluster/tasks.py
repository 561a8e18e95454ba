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
import pyarrow.json
import pyarrow.parquet as pq

from pipelines.cluster.files import Folder
from zdg_jax.errors import UserError

REQUIRED = ("object", "task")
OPTIONAL = ("task_id", "name", "scale", "up", "seed")
READERS = {
    ".parquet": pq.read_table,
    ".csv": pyarrow.csv.read_csv,
    ".jsonl": pyarrow.json.read_json,
    ".ndjson": pyarrow.json.read_json,
}


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
    table = _read(path)
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise UserError(
            f"{path} without column {', '.join(missing)} (it has {', '.join(table.column_names)})",
            f"columns {', '.join(REQUIRED)}, and perhaps {', '.join(OPTIONAL)}",
            "add or rename columns",
        )
    if table.num_rows == 0:
        raise UserError(f"{path} without a single row", "one row a task", "add tasks")
    tasks = [_task(path, number, row, default_seed) for number, row in enumerate(table.to_pylist(), start=1)]
    _check_ids(path, tasks)
    _check_objects(path, tasks)
    order = {key: place for place, key in enumerate(dict.fromkeys(t.object_key for t in tasks))}
    tasks.sort(key=lambda t: order[t.object_key])  # stable: rows of one object keep their order
    ignored = tuple(name for name in table.column_names if name not in (*REQUIRED, *OPTIONAL))
    return TaskTable(tuple(tasks), ignored)


def _read(path: str) -> pa.Table:
    kind = Path(path).suffix.lower()
    if kind not in READERS:
        raise UserError(f"tasks file {path}", f"one of {', '.join(READERS)}", "convert it")
    folder, _, name = path.rpartition("/")
    try:
        with Folder(folder or ".", make=False).open(name) as file:
            return READERS[kind](file)
    except FileNotFoundError:
        raise UserError(f"no file at {path}", "a table of tasks", "check --tasks") from None
    except pa.ArrowInvalid as error:
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
        if not isinstance(row[column], str) or not row[column].strip():
            raise bad(column, "some text")
    if row.get("name") is not None and not isinstance(row["name"], str):
        raise bad("name", "some text, or nothing")
    scale = row.get("scale")
    if scale is None:
        scale = 1.0
    if not isinstance(scale, int | float) or not (math.isfinite(scale) and scale > 0):
        raise bad("scale", "a positive number, or nothing")
    up = row.get("up") or None
    if up not in (None, "x", "y", "z"):
        raise bad("up", "x, y or z, or nothing")
    seed = row.get("seed")
    if seed is None:
        seed = default_seed
    if not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise bad("seed", "0 to 2147483647, or nothing")
    name = (row.get("name") or "").strip() or None
    spec = TaskSpec("", row["object"].strip(), row["task"].strip(), name, float(scale), up, seed)
    given = row.get("task_id")
    if given is not None and not str(given).strip():
        raise bad("task_id", "a name, or nothing")
    return TaskSpec(
        spec.content_sha if given is None else str(given).strip(), *list(asdict(spec).values())[1:]
    )


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
