"""Every way in which a task or a grasp can end, each with its sentence; `docs/statuses.md` is made from it.

A status is a value, never an exception: one bad grasp, mesh or answer stops no other and is never dropped.
In memory a row's status is its place in `Status` (a small integer), in files its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from jaxtyping import Int16, Shaped

from zdg_jax.markdown import table


class Status(StrEnum):
    """Name of an ending; new ones go to the end, for a place is a code."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Status:
        member = str.__new__(cls, name)
        member._value_ = name
        member.sentence = sentence
        return member

    OK = "ok", "The grasp, or at least one of the task's, is there."
    # reasoning
    INVALID_ANSWER = (
        "invalid_answer",
        "Every attempt of a stage named something outside the candidates or contradicted itself.",
    )
    POINTS_UNVERIFIED = (
        "points_unverified",
        "Every attempt of the point stage failed the force-normal test (eq. 5).",
    )
    NOTHING_VISIBLE = "nothing_visible", "No view shows any part of the object."
    EMPTY_REGION = "empty_region", "Lifting found no surface sample on the chosen part(s)."
    PROVIDER_REFUSED = (
        "provider_refused",
        "The model refused, or the provider's content filter stopped it, in every attempt.",
    )
    PROVIDER_TRUNCATED = (
        "provider_truncated",
        "Every attempt ran into the limit of output tokens, or hidden reasoning ate a raised one too.",
    )
    PROVIDER_INVALID = "provider_invalid", "Every attempt was empty or did not fit the answer's schema."
    PROVIDER_RATE_LIMITED = (
        "provider_rate_limited",
        'The provider kept saying "too many requests" for as long as we were willing to wait.',
    )
    PROVIDER_UNAVAILABLE = (
        "provider_unavailable",
        "The provider failed on its side, or dropped the connection, at every try.",
    )
    PROVIDER_TIMEOUT = "provider_timeout", "No reply came in time, at every try."
    PROVIDER_UNREACHABLE = "provider_unreachable", "No connection could be made at all."
    PROVIDER_AUTH = "provider_auth", "The provider did not accept the key."
    PROVIDER_UNKNOWN_MODEL = (
        "provider_unknown_model",
        "The provider has no such model, or no such address.",
    )
    PROVIDER_REJECTED = "provider_rejected", "The provider called the request itself wrong."
    PROVIDER_TOO_LARGE = (
        "provider_too_large",
        "The request is larger than the model or the account will ever take.",
    )
    PROVIDER_NO_QUOTA = "provider_no_quota", "The account has no quota or no credit for this model."
    PROVIDER_GONE = (
        "provider_gone",
        "The model answered before and then was there no more; the same command goes on when that is mended.",
    )
    BUDGET_EXHAUSTED = (
        "budget_exhausted",
        "The next call could have passed the limit on money; the same command goes on from the cache.",
    )
    PRICE_UNKNOWN = (
        "price_unknown",
        "A model without a price answered under a limit on money; the same command goes on once it has one.",
    )
    NOT_RECORDED = "not_recorded", "A replayed file, or a file of labels, has no answer to this question."
    # refinement
    NOT_REASONED = "not_reasoned", "There is no reasoned grasp to refine."
    FIELD_EDGE = "field_edge", "The task's contact region lies outside the object's distance field."
    FIELD_SIZE = "field_size", "The object's distance field has too many cells."
    NAN_START = "nan_start", "The start is not finite: expected finite numbers in pose and joints."
    REFINE_NAN = "refine_nan", "Refinement became non-finite: expected finite pose, joints and energies."
    OUTSIDE_FIELD = "outside_field", "No skin vertex ended inside the object's field: the hand is not there."
    STOPPED = "stopped", "Ended early: not among the share of its task's starts that went on."
    # simulation
    BAD_OBJECT = "bad_object", "The object can't be loaded, or not be simulated."
    INVALID_POSE = "invalid_pose", "The pose or the joints are not finite, or the quaternion is none."
    JOINT_LIMITS = "joint_limits", "The joints lie beyond their limits."
    SIM_UNSTABLE = "sim_unstable", "The simulation diverged."
    # files and runs
    NO_OBJECT = "no_object", "The mesh of these grasps was not found, or is another one."
    UNREADABLE = "unreadable", "The file, or the row, can't be read."
    NO_GRASP = "no_grasp", "The method gave no grasp for this task."
    ACTOR_DIED = "actor_died", "The process that worked on the task died."
    WORKER_DIED = "worker_died", "The process that worked on the unit died."
    STAGE_ERROR = "stage_error", "A fault of ours in a stage; the reason names the exception."
    PREPARE_ERROR = "prepare_error", "A fault of ours while the object was prepared."
    REASON_ERROR = "reason_error", "A fault of ours while the task was reasoned about."
    REFINE_ERROR = "refine_error", "A fault of ours while the task was refined."
    SELECT_ERROR = "simulate_error", "A fault of ours while the task's grasps were simulated and chosen."
    CRASHED = "crashed", "A fault of ours in the benchmark; the reason names the exception."
    OTHER = "other", "A status of a reasoner or a stage from outside; the reason begins with its name."
    MACHINE_FAULT = (
        "machine_fault",
        "The disk, the network or a permission failed; the same command goes on when that is mended.",
    )


STOPPING = frozenset(
    {Status.PROVIDER_GONE, Status.BUDGET_EXHAUSTED, Status.PRICE_UNKNOWN, Status.MACHINE_FAULT}
)
"""They end the run, not the task: its rows are not finished, and the same command goes on from the cache."""


class StageFailed(Exception):
    """A stage of reasoning ended without a usable answer; the chain turns it into the row's status."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = str(status), reason
        super().__init__(f"{status}: {reason}")


NAMES = np.array([str(s) for s in Status])
_CODES = {str(s): place for place, s in enumerate(Status)}
OK = _CODES["ok"]


def codes(names: Sequence[str] | Shaped[np.ndarray, " n"]) -> Int16[np.ndarray, " n"]:
    """Places in `Status` of these names; that of `OTHER` for a name from outside."""
    other = _CODES["other"]
    return np.array([_CODES.get(name, other) for name in np.asarray(names, np.str_).tolist()], np.int16)


def names(codes: Int16[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
    """Names of these places."""
    return NAMES[codes]


def page() -> str:
    """`docs/statuses.md`."""
    lines = [
        "# Statuses",
        "",
        "What `status` says of a task or a grasp; `status_reason` is one sentence more.",
        "Made from `zdg_jax/status.py` by `python -m zdg_jax.status`.",
        "",
        table(["status", "meaning"], [(f"`{s}`", s.sentence) for s in Status]),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
