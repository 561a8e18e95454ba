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


class StageFailed(Exception):
    """A stage ended without a usable answer; the chain turns it into the row's status."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = str(status), reason
        super().__init__(f"{status}: {reason}")
