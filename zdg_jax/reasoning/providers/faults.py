"""From HTTP statuses and exceptions to faults, and from faults to a row's status and one clear line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from zdg_jax.reasoning.providers.retry import retry_after
from zdg_jax.reasoning.providers.secrets import redact
from zdg_jax.reasoning.providers.wire import Fault, FaultKind, Wire
from zdg_jax.reasoning.status import Status

_LONGEST = 240
_LONGEST_SAID = 2000

# Said with 400, 413, 429 and even 500; the same request will never fit.
_TOO_LARGE = re.compile(
    r"request too large|too many (?:images|pictures)|at most \d+ (?:images?|pictures?)"
    r"|context_length_exceeded|maximum (?:context length|number of (?:images|pictures))"
    r"|input token count.{0,40}exceeds"
    r"|(?:payload|entity|body|request|image|file) (?:size )?(?:exceeds|is too large|too large)",
    re.IGNORECASE,
)
_NO_QUOTA = re.compile(r"\blimit: 0\b")

STATUS = {
    FaultKind.RATE_LIMITED: Status.PROVIDER_RATE_LIMITED,
    FaultKind.UNAVAILABLE: Status.PROVIDER_UNAVAILABLE,
    FaultKind.TIMEOUT: Status.PROVIDER_TIMEOUT,
    FaultKind.DROPPED: Status.PROVIDER_UNAVAILABLE,
    FaultKind.GARBLED: Status.PROVIDER_UNAVAILABLE,
    FaultKind.UNREACHABLE: Status.PROVIDER_UNREACHABLE,
    FaultKind.AUTH: Status.PROVIDER_AUTH,
    FaultKind.UNKNOWN_MODEL: Status.PROVIDER_UNKNOWN_MODEL,
    FaultKind.REJECTED: Status.PROVIDER_REJECTED,
    FaultKind.TOO_LARGE: Status.PROVIDER_TOO_LARGE,
    FaultKind.NO_QUOTA: Status.PROVIDER_NO_QUOTA,
}


DYING = frozenset({FaultKind.UNKNOWN_MODEL, FaultKind.AUTH, FaultKind.NO_QUOTA})
"""After these no other request can do better, until somebody mends it."""


def http_fault(
    status: int, message: str, headers: Mapping[str, str], code: str = "", param: str = ""
) -> Fault:
    """The fault behind an HTTP error.

    Args:
      status: the HTTP status.
      message: the provider's words; keys in it are hidden here.
      headers: of the response.
      code: the provider's own error code.
      param: the parameter that the provider names.
    """
    detail = f"HTTP {status}: {redact(message)[:_LONGEST] or 'no message'}"
    if status == 413 or code == "context_length_exceeded" or _TOO_LARGE.search(message):
        kind = FaultKind.TOO_LARGE
    elif status == 429:
        # Out of credit, or no quota at all, is said with 429 too, but waiting does not mend it.
        empty = code == "insufficient_quota" or _NO_QUOTA.search(message)
        kind = FaultKind.NO_QUOTA if empty else FaultKind.RATE_LIMITED
    elif status in (401, 403) or "api key not valid" in message.lower():
        kind = FaultKind.AUTH
    elif status == 404:
        kind = FaultKind.UNKNOWN_MODEL
    elif status in (408, 409, 425) or status >= 500:
        kind = FaultKind.UNAVAILABLE
    else:
        kind = FaultKind.REJECTED
    return Fault(kind, detail, retry_after(headers), redact(message)[:_LONGEST_SAID], param)


def plain_fault(kind: FaultKind, error: BaseException | str) -> Fault:
    """A fault without an HTTP response."""
    said = redact(error if isinstance(error, str) else f"{type(error).__name__}: {error}")
    return Fault(kind, said[:_LONGEST])


def line(fault: Fault, wire: Wire) -> tuple[str, str, str]:
    """(got, expected, do) of one clear line for a person."""
    who, where = f"{wire.name}:{wire.model}", wire.address
    if fault.kind is FaultKind.AUTH:
        return f"{who}: {where} refused the key ({fault.detail})", "a valid key", f"check {wire.key_name}"
    if fault.kind is FaultKind.UNKNOWN_MODEL:
        return f"{who}: unknown at {where} ({fault.detail})", "a model it has", "choose another model"
    if fault.kind is FaultKind.UNREACHABLE:
        return f"{who}: can't reach {where} ({fault.detail})", "a server there", "check address and network"
    if fault.kind is FaultKind.REJECTED:
        return (
            f"{who}: {where} rejected the request ({fault.detail})",
            "its approval",
            "see docs/providers.md",
        )
    if fault.kind is FaultKind.TOO_LARGE:
        return f"{who}: too large for {where} ({fault.detail})", "a request that fits", "choose another model"
    if fault.kind is FaultKind.NO_QUOTA:
        return (
            f"{who}: no quota at {where} ({fault.detail})",
            "credit for this model",
            "see your account there",
        )
    return f"{who}: {where}: {fault.kind.value} ({fault.detail})", "a reply", "try again later"
