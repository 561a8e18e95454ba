"""The record of batch jobs: what was submitted, under which number, and what came back."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from zdg_jax.errors import MachineError
from zdg_jax.reasoning.models.database import Database
from zdg_jax.reasoning.models.settings import hide
from zdg_jax.reasoning.models.wire import Ending, Reply, Usage

FILE = "batches.sqlite"
_LOCK = "batches.lock"
_TURN_S = 0.1

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS jobs (
  token TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  address TEXT NOT NULL,
  model TEXT NOT NULL,
  made_at REAL NOT NULL,
  number TEXT
)""",
    """
CREATE TABLE IF NOT EXISTS rows (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL,
  token TEXT NOT NULL,
  reply TEXT,
  UNIQUE (key, token)
)""",
    "CREATE INDEX IF NOT EXISTS rows_of_jobs ON rows (token)",
)
Who = tuple[str, str, str]
"""Provider, address, model."""


@dataclass(frozen=True)
class Job:
    """One job under way.

    Attributes:
      token: our mark, which the provider keeps with it.
      number: the provider's own; None if nobody knows whether it was accepted.
      keys: of its questions, in their order.
    """

    token: str
    number: str | None
    keys: tuple[str, ...]


class JobBook(Database):
    """Jobs under way, and the replies of those that ended, in a file beside the answers.

    A job is written down before it is submitted, and its number before anybody waits for it. What a job
    gave is kept as it came, good or bad: a run that goes on after a kill walks the same way without paying.
    """

    what, tables, synchronous = "record of batch jobs", _TABLES, "FULL"

    def intend(self, who: Who, token: str, keys: Sequence[str]) -> None:
        """A job with these questions is about to be submitted."""
        job = ("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, NULL)", (token, *who, time.time()))
        row = "INSERT INTO rows (key, token) VALUES (?, ?)"
        self._all(job, *((row, (key, token)) for key in keys))

    def accepted(self, token: str, number: str) -> None:
        """The provider took it, under this number."""
        self._run("UPDATE jobs SET number = ? WHERE token = ?", (number, token))

    def ended(self, token: str, replies: dict[str, Reply]) -> None:
        """Keep what the job gave; questions without a reply may be asked again."""
        put = "UPDATE rows SET reply = ? WHERE key = ? AND token = ?"
        self._all(
            *((put, (_written(reply), key, token)) for key, reply in replies.items()),
            ("DELETE FROM rows WHERE token = ? AND reply IS NULL", (token,)),
            ("DELETE FROM jobs WHERE token = ?", (token,)),
        )

    def forget(self, token: str) -> None:
        """It was never accepted."""
        self.ended(token, {})

    def job(self, token: str) -> Job | None:
        """The job, while it is under way."""
        found = self._run("SELECT number FROM jobs WHERE token = ?", (token,))
        if not found:
            return None
        keys = self._run("SELECT key FROM rows WHERE token = ? ORDER BY place", (token,))
        return Job(token, found[0][0], tuple(key for (key,) in keys))

    def under_way(self, who: Who) -> list[str]:
        """Tokens of the jobs of this provider, address and model."""
        said = "SELECT token FROM jobs WHERE provider = ? AND address = ? AND model = ? ORDER BY made_at"
        return [token for (token,) in self._run(said, who)]

    def holder(self, key: str) -> str | None:
        """The token of the job under way that carries this question."""
        found = self._run("SELECT token FROM rows WHERE key = ? AND reply IS NULL", (key,))
        return found[0][0] if found else None

    def replies(self, key: str) -> list[Reply]:
        """What jobs gave for this question, oldest first."""
        said = "SELECT reply FROM rows WHERE key = ? AND reply IS NOT NULL ORDER BY place"
        return [_read(reply) for (reply,) in self._run(said, (key,))]

    def clear(self) -> int:
        """Forget everything; returns how many jobs were under way."""
        (count,) = self._run("SELECT count(*) FROM jobs")[0]
        self._all(("DELETE FROM rows", ()), ("DELETE FROM jobs", ()))
        return count

    def waiting(self) -> tuple[int, int]:
        """(jobs under way, questions in them)."""
        ((jobs,),) = self._run("SELECT count(*) FROM jobs")
        ((rows,),) = self._run("SELECT count(*) FROM rows WHERE reply IS NULL")
        return jobs, rows

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Submit, one process at a time: who holds it knows that nobody else is about to.

        The system's own lock ends with its process, so a job without a number that is seen here is one
        whose process died, or lost the provider's reply.
        """
        import fcntl

        path = self.path.with_name(_LOCK)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _no_lock(path, error) from None
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_TURN_S)
                except OSError as error:
                    raise _no_lock(path, error) from None
            yield
        finally:
            os.close(handle)


_open_books: dict[Path, JobBook] = {}


def job_book(folder: Path) -> JobBook:
    """The record in this folder, one for all reasoners of a process."""
    return _open_books.setdefault(folder / FILE, JobBook(folder / FILE))


def _no_lock(path: Path, error: OSError) -> MachineError:
    return MachineError(
        f"{path} ({error.strerror})", "a file that can be locked", "set ZDG_CACHE_DIR to a local folder"
    )


def _written(reply: Reply) -> str:
    # As ASCII: half letters of a server's JSON are kept as escapes.
    shown = {name: hide(getattr(reply, name)) for name in ("text", "why", "model")}
    return json.dumps({**asdict(reply), **shown})


def _read(text: str) -> Reply:
    said = json.loads(text)
    return Reply(**{**said, "ending": Ending(said["ending"]), "usage": Usage(**said["usage"])})
