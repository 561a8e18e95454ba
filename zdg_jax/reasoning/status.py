"""How a task's reasoning can end."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Value of `ReasonedGrasp.status`. A provider's own failure passes its own status through."""

    OK = "ok"
    INVALID_ANSWER = "invalid_answer"
    """Every attempt of a stage named something outside the candidates or contradicted itself."""
    POINTS_UNVERIFIED = "points_unverified"
    """Every attempt of the point stage failed the force-normal test (eq. 5)."""
    NOTHING_VISIBLE = "nothing_visible"
    """No view shows any part of the object."""
    EMPTY_REGION = "empty_region"
    """Lifting found no surface sample on the chosen part(s)."""
    PROVIDER_REFUSED = "provider_refused"
    """The model refused, or the provider's content filter stopped it, in every attempt."""
    PROVIDER_TRUNCATED = "provider_truncated"
    """Every attempt ran into the limit of output tokens, or hidden reasoning ate a raised one too."""
    PROVIDER_INVALID = "provider_invalid"
    """Every attempt was empty or did not fit the answer's schema."""
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    """The provider kept saying "too many requests" for as long as we were willing to wait."""
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    """The provider failed on its side, or dropped the connection, at every try."""
    PROVIDER_TIMEOUT = "provider_timeout"
    """No reply came in time, at every try."""
    PROVIDER_UNREACHABLE = "provider_unreachable"
    """No connection could be made at all."""
    PROVIDER_AUTH = "provider_auth"
    """The provider did not accept the key."""
    PROVIDER_UNKNOWN_MODEL = "provider_unknown_model"
    """The provider has no such model, or no such address."""
    PROVIDER_REJECTED = "provider_rejected"
    """The provider called the request itself wrong."""
    PROVIDER_TOO_LARGE = "provider_too_large"
    """The request is larger than the model or the account will ever take."""
    PROVIDER_NO_QUOTA = "provider_no_quota"
    """The account has no quota or no credit for this model."""
    PROVIDER_GONE = "provider_gone"
    """The model answered before and then was there no more; the same command goes on when that is mended."""
    BUDGET_EXHAUSTED = "budget_exhausted"
    """The next call could have passed the limit on money; the same command goes on from the cache."""
    PRICE_UNKNOWN = "price_unknown"
    """A model that has no price answered under a limit on money; the same command goes on once it has one."""
    MACHINE_FAULT = "machine_fault"
    """The disk, the network or a permission failed; the same command goes on when that is mended."""
    NOT_RECORDED = "not_recorded"
    """A replayed file, or a file of labels, has no answer to this question."""


STOPPING = frozenset(
    {Status.PROVIDER_GONE, Status.BUDGET_EXHAUSTED, Status.PRICE_UNKNOWN, Status.MACHINE_FAULT}
)
"""They end the run, not the task: its rows are not finished, and the same command goes on from the cache."""


class StageFailed(Exception):
    """A stage ended without a usable answer; the chain turns it into the row's status."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = str(status), reason
        super().__init__(f"{status}: {reason}")
