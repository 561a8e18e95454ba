"""The record of batch jobs: what was submitted, under which number, and what came back."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from zdg_jax.errors import MachineError
from zdg_jax.reasoning.models.answer_cache import Database
from zdg_jax.reasoning.models.exchange import Ending, Fault, FaultKind, Reply, Usage, WireRequest
from zdg_jax.reasoning.models.settings import hide

# What one provider's batch API takes and gives: lines, a job, the rows that it ended with.
TRANSFER_S = 1800.0
"""For a file of questions or answers, which is hundreds of megabytes at most."""
TOKEN_KEY = "zdg"
"""Names the mark by which a job is found again whose number was never written down."""

#: Jobs on a page of the provider's list, and how many of the newest are looked through.
PAGE, NEWEST = 100, 1000
T = TypeVar("T")

#: Whether the provider accepted the job is not known after these.
IN_DOUBT = frozenset({FaultKind.TIMEOUT, FaultKind.DROPPED, FaultKind.GARBLED, FaultKind.UNAVAILABLE})


@dataclass(frozen=True)
class Ended:
    """A job that will give no more.

    Attributes:
      rows: what came of a question, by its key.
      rest: what is said of questions without a row.
    """

    rows: dict[str, Reply | Fault]
    rest: Fault


@runtime_checkable
class Jobs(Protocol):
    """One provider's batch API. Methods run on the I/O loop; what the network did is a `Fault`."""

    most_rows: int
    """Questions in a job."""
    most_bytes: int
    """Their size; the provider's limit less what surrounds them."""

    def line(self, key: str, request: WireRequest) -> Any:
        """One question as it stands in a job."""
        ...

    async def prepare(self, lines: Sequence[Any]) -> Any | Fault:
        """Bring them to the provider; nothing is accepted, and paid, by this alone."""
        ...

    async def create(self, token: str, prepared: Any) -> str | Fault:
        """Submit what `prepare` gave, marked with the token; the job's number."""
        ...

    async def find(self, token: str) -> str | Fault | None:
        """The number of the job with this mark among the newest; None if there is none."""
        ...

    async def look(self, number: str) -> Ended | Fault | None:
        """What the job ended with; None while it is under way."""
        ...

    async def probe(self) -> Fault | None:
        """A free look whether there is a batch API at this address."""
        ...

    async def close(self) -> None: ...


async def among_newest(listed: AsyncIterable[T], wanted: Callable[[T], bool]) -> T | None:
    """The first of the newest jobs that is wanted."""
    seen = 0
    async for job in listed:
        seen += 1
        if wanted(job):
            return job
        if seen >= NEWEST:
            break
    return None


def unknown_job(number: str, fault: Fault) -> Fault:
    """What to say where a job on record is not there; asking again would be paying again."""
    if fault.kind is not FaultKind.UNKNOWN_MODEL:
        return fault
    kept = (
        f"batch job {number} is on record and not known to this key ({fault.detail}); use the key that "
        "made it, or forget it, and what was paid for it, with `zdg cache clear`"
    )
    return Fault(FaultKind.REJECTED, kept)


def no_batch_api(fault: Fault) -> Fault:
    """What to say of an address that knows nothing of jobs."""
    if fault.kind not in (FaultKind.UNKNOWN_MODEL, FaultKind.REJECTED):
        return fault
    return Fault(FaultKind.REJECTED, f"it has no batch API, leave --batch-api out; {fault.detail}")


def weight_of(request: WireRequest) -> int:
    """Bytes of a question in a job, rather too many than too few: pictures are base64, letters escaped."""
    return 3 * len(request.text.encode()) + sum(4 * len(png) // 3 + 256 for png in request.images) + 16384


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
