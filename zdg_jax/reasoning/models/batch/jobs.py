"""What one provider's batch API takes and gives: lines, a job, the rows that it ended with."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from zdg_jax.reasoning.models.wire import Fault, FaultKind, Reply, WireRequest

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
