"""The dataset on disk or in a bucket: pairs of shards, and what of them is finished.

`grasps/part-N.parquet` (one row a grasp) is written first, `tasks/part-N.parquet` (one row a task) second. A
task is finished if and only if it stands in a file of `tasks/` and its grasps in the twin: what is written is
the truth, nothing else is kept of a run's state. A shard of grasps without its twin is what a kill left, and
is dropped; a pair of which one is damaged is put into `damaged/`, and its tasks are done again. Files of
other names are left alone and never read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.dataset import CARD_FILE, INFO_FILE, card_name, parquet
from pipelines.drivers.files import Folder, shard_name, shards
from pipelines.drivers.tasks import TaskSpec
from pipelines.options import GenerateOptions
from pipelines.provenance import table_info, versions
from pipelines.stages.messages import Finished
from zdg_jax.errors import UserError, machine_error, storable
from zdg_jax.grasps import concat
from zdg_jax.hands.model import HandModel

GRASPS, TASKS, DAMAGED, MANIFEST = "grasps", "tasks", "damaged", "manifest.json"
COUNTS = ("refined", "simulated", "kept", "good", "failed")
FORMAT = "zdg-jax dataset 1"
UNPAID = ("offline", "offline-seen", "oracle", "replay")

TASK_SCHEMA = pa.schema(
    [
        ("task_id", pa.string()),
        ("content_sha", pa.string()),
        ("object", pa.string()),
        ("task", pa.string()),
        ("name", pa.string()),
        ("scale", pa.float64()),
        ("up", pa.string()),
        ("seed", pa.int64()),
        ("status", pa.string()),
        ("status_reason", pa.string()),
        *((name, pa.int32()) for name in COUNTS),
        ("rows", pa.int32()),
        ("calls_sent", pa.int32()),
        ("cost_usd", pa.float64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("pictures", pa.list_(pa.struct([("name", pa.string()), ("sha256", pa.string())]))),
        ("about", pa.string()),
        ("trace", pa.string()),
    ]
)


class Output:
    """One output folder. Not shared between threads."""

    def __init__(self, folder: Folder, options: GenerateOptions, hand: HandModel) -> None:
        """Args:
        folder: exists.
        options: of the run; a folder belongs to one configuration.
        hand: gives the joints' names.
        """
        self.folder, self.options, self.hand = folder, options, hand
        self.done: dict[str, str] = {}  # task id to content
        self.notes: list[str] = []  # what a person should hear
        self._next = 0
        self._about: dict[str, Any] = {}
        self._manifest: dict[str, Any] = {}
        self._refined_on: dict[str, Any] | None = None

    def begin(self, tasks: Sequence[TaskSpec]) -> None:
        """Look at what is there, refuse what does not go together, and drop what a kill left half done.

        Raises:
          UserError: the folder holds another configuration, or one of the ids stands for another task there.
        """
        for below in (TASKS, GRASPS):
            if self.folder.exists(below):
                raise UserError(f"{self.folder.uri}/{below}, a file", "a folder", "choose another --out")
        self._check_manifest()
        for below in ("", GRASPS, TASKS):
            self.folder.sweep(below)
        found = shards(self.folder, TASKS)
        for name in found:
            rows = self._whole(name)
            if rows is None:
                self._set_aside(name)
                continue
            for row in rows:
                self.done[row["task_id"]] = row["content_sha"]
                self._about.update(json.loads(row["about"]))
        self._next = 1 + max((int(name[5:-8]) for name in found), default=-1)
        for name in set(shards(self.folder, GRASPS)) - set(found):
            if name == shard_name(self._next):  # the next pair's first half: a kill left it
                self.folder.delete(f"{GRASPS}/{name}")
            else:
                self._set_aside(name)
        for task in tasks:
            if self.done.get(task.task_id, task.content_sha) != task.content_sha:
                raise UserError(
                    f"task_id {task.task_id!r}, which stands for another task in {self.folder.uri}",
                    "ids that keep their meaning",
                    "give it a new id, or choose another --out",
                )
        self._write_manifest(len(tasks))

    def agree(self, refined_on: Mapping[str, Any]) -> None:
        """Record what refinement's rows depend on beside the options, or refuse another than is recorded.

        Args:
          refined_on: kind of device, and tasks that each is given at a time: sums run in another order
            at another shape, so the last digits differ.

        Raises:
          UserError: the folder's rows were made on something else.
        """
        before = self._manifest.get("refined_on", refined_on)
        if before != refined_on:
            raise UserError(
                f"{self.folder.uri}, refined with {_plain(before)}, and {_plain(refined_on)} here",
                "one kind of device and one --batch a folder",
                "choose another --out, or the same device and --batch",
            )
        self._refined_on = dict(refined_on)

    def write(self, finished: Sequence[Finished]) -> str:
        """One pair of shards, by name; when it returns, these tasks are finished for good."""
        name = shard_name(self._next)
        grasps = concat([each.grasps for each in finished])
        self._create(f"{GRASPS}/{name}", parquet(grasps.to_table()))
        for each in finished:
            if each.about:
                self._about[each.grasps.tasks[0]["object_id"]] = dict(each.about)
        self._write_info()
        table = pa.Table.from_pylist([_task_row(each) for each in finished], schema=TASK_SCHEMA)
        self._create(f"{TASKS}/{name}", parquet(table))
        self._next += 1
        self.done.update({each.task.task_id: each.task.content_sha for each in finished})
        return name

    def _create(self, name: str, data: bytes) -> None:
        try:
            self.folder.create(name, data)
        except FileExistsError:
            raise UserError(
                f"{self.folder.uri}/{name}, which somebody else has written during this run",
                "one writer a folder",
                "run the same command again",
            ) from None

    def _whole(self, name: str) -> list[dict[str, Any]] | None:
        """Rows of a shard of tasks; None if it or its twin is damaged, or the twin lacks grasps of it."""
        try:
            with self.folder.open(f"{TASKS}/{name}") as file:
                parquet_file = pq.ParquetFile(file)
                counted = "rows" in parquet_file.schema_arrow.names  # older folders do not say
                columns = ["task_id", "content_sha", "about", *(["rows"] if counted else [])]
                read = parquet_file.read(columns=columns)
            with self.folder.open(f"{GRASPS}/{name}") as file:
                grasps = pq.read_table(file, columns=["task_id"])
            rows = read.to_pylist()
            for row in rows:
                json.loads(row["about"])
            found = Counter(grasps["task_id"].to_pylist())
            wanted = Counter(
                {row["task_id"]: row["rows"] if counted else found[row["task_id"]] for row in rows}
            )
            return rows if found == wanted and (counted or all(wanted.values())) else None
        except FileNotFoundError:
            return None
        except (pa.ArrowException, KeyError, TypeError, ValueError):
            return None
        except OSError as error:
            if (fault := machine_error(error, f"{self.folder.uri}/{name}")) is not None:
                raise fault from None
            return None  # pyarrow says so of a page that can't be decoded

    def _set_aside(self, name: str) -> None:
        # In this order: a kill in between leaves a shard of tasks without its twin, which is put aside again.
        for below in (GRASPS, TASKS):
            if self.folder.exists(f"{below}/{name}"):
                to, number = f"{DAMAGED}/{below}-{name}", 1
                while self.folder.exists(to):  # of an earlier time
                    number += 1
                    to = f"{DAMAGED}/{below}-{name.removesuffix('.parquet')}-{number}.parquet"
                self.folder.move(f"{below}/{name}", to)
        self.notes.append(
            f"note: {TASKS}/{name} and {GRASPS}/{name} don't belong together or can't be read; they lie in "
            f"{DAMAGED}/ now, and their tasks are done again"
        )

    def finish(self, total: int) -> None:
        """Say in the manifest how far it is, and write the card."""
        from pipelines.drivers.card import card

        self._write_manifest(total)
        there = self.folder.read(CARD_FILE) if self.folder.exists(CARD_FILE) else None
        self.folder.write(card_name(there), storable(card(self.folder, self._manifest)).encode())

    def _check_manifest(self) -> None:
        try:
            kept = json.loads(self.folder.read(MANIFEST))
            if not isinstance(kept, dict):
                raise ValueError
        except FileNotFoundError:
            if shards(self.folder, TASKS) or shards(self.folder, GRASPS):
                raise UserError(
                    f"{self.folder.uri} with shards and without {MANIFEST}",
                    "an empty folder, or one that this command wrote",
                    "choose another --out",
                ) from None
            return
        except (ValueError, RecursionError):
            raise UserError(
                f"{self.folder.uri}/{MANIFEST}, which is no manifest",
                "the file as written",
                "restore it, or choose another --out",
            ) from None
        # an option that a folder's run did not have yet was at its default
        told = kept.get("config")
        theirs = {field.name: field.default for field in fields(GenerateOptions)}
        theirs |= told if isinstance(told, dict) else dict.fromkeys(theirs)
        ours = self.options.config()
        if any(theirs.get(name) != value for name, value in ours.items()):
            other = [name for name in sorted(ours) if ours[name] != theirs.get(name)]
            changes = ", ".join(f"{k} {theirs.get(k)!r} there and {ours.get(k)!r} here" for k in other)
            raise UserError(
                f"--out {self.folder.uri}, which holds another configuration ({changes})",
                "one configuration a folder",
                "choose another --out, or the same options",
            )
        self._manifest = kept
        self._refined_on = kept.get("refined_on")

    def _write_manifest(self, total: int) -> None:
        import datetime

        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._manifest = {
            "format": FORMAT,
            "created": self._manifest.get("created", now),
            "updated": now,
            "config": self.options.config(),
            "config_sha": self.options.config_sha(),
            "versions": versions(),
            "tasks": total,
            "tasks_done": len(self.done),
            "complete": len(self.done) >= total,
            "shards": self._next,
        }
        if self._refined_on is not None:
            self._manifest["refined_on"] = self._refined_on
        self.folder.write(MANIFEST, _json(self._manifest))

    def _write_info(self) -> None:
        info = table_info(self._about, self.hand, self.options.config(), versions())
        self.folder.write(INFO_FILE, _json(info))


def _task_row(each: Finished) -> dict[str, Any]:
    calls = each.grasps.tasks[0]["calls"]
    sent = [call for call in calls if call["attempts"] and call["provider"] not in UNPAID]
    given = {k: v for k, v in asdict(each.task).items() if k in TASK_SCHEMA.names}
    values = {k: storable(v) if isinstance(v, str) else v for k, v in given.items()}
    about = {each.grasps.tasks[0]["object_id"]: dict(each.about)} if each.about else {}
    return {
        **values,
        "content_sha": each.task.content_sha,
        "status": each.status,
        "status_reason": storable(each.reason),
        **{name: each.counts.get(name, 0) for name in COUNTS},
        "rows": len(each.grasps),
        "calls_sent": sum(call["attempts"] for call in sent),
        "cost_usd": _total(sent, "cost_usd"),
        "input_tokens": _total(sent, "input_tokens"),
        "output_tokens": _total(sent, "output_tokens"),
        "pictures": [{"name": name, "sha256": sha} for name, sha in each.pictures.items()],
        "about": json.dumps(about),
        "trace": storable(json.dumps(each.trace, ensure_ascii=False, default=str)),
    }


def _plain(fields: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in fields.items()) if isinstance(fields, dict) else str(fields)


def _total(calls: Sequence[Any], name: str) -> float | int | None:
    """None if any is unknown: a sum of the known ones would look like all."""
    known = [call[name] for call in calls]
    return None if any(value is None for value in known) else sum(known)


def _json(value: Any) -> bytes:
    return storable(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)).encode() + b"\n"
