"""Answers that were paid for, in one sqlite file that any number of processes may use at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zdg_jax.cache import cache_dir
from zdg_jax.errors import MachineError, storable
from zdg_jax.reasoning.protocol import Call

# One sqlite file of its owner's alone, which any number of threads and processes may use at once.
_PATIENCE_S = 30.0  # another process's write takes a millisecond


class Database:
    """A file with a write-ahead log; a killed process loses nothing that was written.

    A file that can't be opened or written costs money, not correctness, so it is an error that says so.
    """

    what = "database"
    """What messages call it."""
    tables: tuple[str, ...] = ()
    """Statements that make what is not there yet."""
    synchronous = "NORMAL"
    """Safe against a kill; a power failure may cost the last rows. FULL: not even that."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connections: dict[int, sqlite3.Connection] = {}  # by process: forks must not share one

    def close(self) -> None:
        """Close this process's connection."""
        with self._lock:
            connection = self._connections.pop(os.getpid(), None)
            if connection is not None:
                connection.close()

    def _run(self, statement: str, *rows: tuple[Any, ...]) -> list[Any]:
        """One statement, for each of several rows in one transaction."""
        if len(rows) > 1:
            return self._all(*((statement, row) for row in rows))
        return self._guarded(lambda connection: connection.execute(statement, *rows).fetchall())

    def _all(self, *statements: tuple[str, tuple[Any, ...]]) -> list[Any]:
        """All of them or none."""

        def transact(connection: sqlite3.Connection) -> list[Any]:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, row in statements:
                    connection.execute(statement, row)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return []

        return self._guarded(transact)

    def _guarded(self, work: Any) -> list[Any]:
        with self._lock:
            try:
                return work(self._open())
            except sqlite3.Error as error:
                raise MachineError(
                    f"{self.what} {self.path} ({error})",
                    "a file that can be read and written",
                    "set ZDG_CACHE_DIR to another folder, or delete the file",
                ) from None

    def _open(self) -> sqlite3.Connection:
        connection = self._connections.get(os.getpid())
        if connection is None:
            self._private()
            connection = sqlite3.connect(
                self.path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self.synchronous}")
            for table in self.tables:
                connection.execute(table)
            self._connections[os.getpid()] = connection
        return connection

    def _private(self) -> None:
        """Its owner's alone; sqlite gives its side files the same mode."""
        with contextlib.suppress(OSError):  # whatever hinders is said by sqlite
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.path.chmod(0o600)


FILE, UNJUDGED = "answers.sqlite", "unjudged.sqlite"

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY,
  made_at REAL NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  stage TEXT NOT NULL,
  answer TEXT NOT NULL,
  call TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class CacheStats:
    """What `zdg cache stats` prints.

    Attributes:
      path: the file.
      answers: how many are kept.
      num_bytes: size on disk.
      models: (provider, model as asked, answers, USD paid or None if any price is unknown).
    """

    path: Path
    answers: int
    num_bytes: int
    models: tuple[tuple[str, str, int, float | None], ...]


def key_of(content: dict[str, Any]) -> str:
    """SHA-256 of everything that an answer depends on, in canonical JSON."""
    return hashlib.sha256(
        storable(json.dumps(content, sort_keys=True, ensure_ascii=False)).encode()
    ).hexdigest()


class AnswerCache(Database):
    """Valid answers by the hash of their question. A killed process loses nothing that `put` returned for."""

    what, tables = "answer cache", (_TABLE,)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._unreadable: set[str] = set()

    def get(self, key: str) -> tuple[dict[str, Any], Call] | None:
        """The answer's fields and the call that paid it, or None."""
        row = self._run("SELECT answer, call FROM answers WHERE key = ?", (key,))
        try:
            return (dict(json.loads(row[0][0])), Call(**json.loads(row[0][1]))) if row else None
        except (ValueError, TypeError, RecursionError):  # damaged, or written by another version
            self._unreadable.add(key)
            return None

    def put(self, keys: list[str], model: str, answer: dict[str, Any], call: Call) -> None:
        """Keep an answer under several keys; a key that has one already that can be read keeps it.

        Args:
          keys: the question's own first.
          model: as asked for; the call says which one answered.
        """
        said, cost = storable(json.dumps(answer, ensure_ascii=False)), json.dumps(asdict(call))
        now = time.time()
        rows = [(key, now, call.provider, model, call.stage, said, cost) for key in keys]
        for key in self._unreadable.intersection(keys):
            self._run("DELETE FROM answers WHERE key = ?", (key,))
            self._unreadable.discard(key)
        self._run("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", *rows)

    def knows(self, provider: str, model: str) -> bool:
        """Whether this model ever gave an answer."""
        return bool(
            self._run("SELECT 1 FROM answers WHERE provider = ? AND model = ? LIMIT 1", (provider, model))
        )

    def stats(self) -> CacheStats:
        """Counts and sizes."""
        # One paid call may stand under several keys.
        paid = self._run("SELECT DISTINCT provider, model, made_at, call FROM answers")
        models: dict[tuple[str, str], list[float | None]] = {}
        for provider, model, _, call in paid:
            models.setdefault((provider, model), []).append(_cost(call))
        lines = tuple((p, m, len(costs), _total(costs)) for (p, m), costs in sorted(models.items()))
        return CacheStats(self.path, len(paid), self.path.stat().st_size, lines)

    def clear(self) -> int:
        """Forget everything; returns how many answers there were."""
        count = self.stats().answers
        self._run("DELETE FROM answers")
        self._run("VACUUM")
        return count


class UnjudgedAnswers(AnswerCache):
    """Answers that were paid for somewhere else than they are judged, in a file beside the main one.

    `put` keeps an answer here until `accept` moves it to the main file. One that is refused stays: a run that
    goes on after a kill then walks the same way without paying, while the main file holds good answers only.
    """

    def __init__(self, main: AnswerCache) -> None:
        super().__init__(main.path.with_name(UNJUDGED))
        self._main = main
        self._keys: dict[str, tuple[list[str], str]] = {}

    def get(self, key: str) -> tuple[dict[str, Any], Call] | None:
        """From the main file, else from this one."""
        return self._main.get(key) or super().get(key)

    def put(self, keys: list[str], model: str, answer: dict[str, Any], call: Call) -> None:
        """Keep an answer under the question's own key; the others wait for `accept`."""
        self._keys[keys[0]] = (keys, model)
        super().put(keys[:1], model, answer, call)

    def knows(self, provider: str, model: str) -> bool:
        return self._main.knows(provider, model)

    def accept(self, key: str, model: str) -> None:
        """The stage took the answer to this question: move it to the main file."""
        found = super().get(key)
        if found is None:  # moved already
            return
        keys, model = self._keys.pop(key, ([key], model))
        self._main.put(keys, model, *found)
        self._run("DELETE FROM answers WHERE key = ?", (key,))


_open_caches: dict[Path, AnswerCache] = {}


def answer_cache() -> AnswerCache:
    """The user's cache, in `ZDG_CACHE_DIR` or the user's cache folder.

    Raises:
      MachineError: the folder can't be made.
    """
    try:
        path = cache_dir("answers") / FILE
    except OSError as error:
        raise MachineError(
            f"no cache folder ({error.strerror})",
            "a folder in which paid answers are kept",
            "set ZDG_CACHE_DIR to a folder that can be written",
        ) from None
    return _open_caches.setdefault(path, AnswerCache(path))


def _cost(call: str) -> float | None:
    """Null too where the record can't be read."""
    try:
        cost = json.loads(call)["cost_usd"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return float(cost) if isinstance(cost, int | float) else None


def _total(costs: list[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
