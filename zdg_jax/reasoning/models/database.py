"""One sqlite file of its owner's alone, which any number of threads and processes may use at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from zdg_jax.errors import MachineError

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
