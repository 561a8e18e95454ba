"""From HTTP statuses and exceptions to faults, and from faults to a row's status and one clear line."""

from __future__ import annotations

from collections.abc import Mapping

from zdg_jax.reasoning.providers.retry import retry_after
from zdg_jax.reasoning.providers.secrets import redact
from zdg_jax.reasoning.providers.wire import Fault, FaultKind, Wire
from zdg_jax.reasoning.status import Status

_LONGEST = 240

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
}


def http_fault(status: int, message: str, headers: Mapping[str, str], code: str = "") -> Fault:
    """The fault behind an HTTP error.

    Args:
      status: the HTTP status.
      message: the provider's words; keys in it are hidden here.
      headers: of the response.
      code: the provider's own error code.
    """
    detail = f"HTTP {status}: {redact(message)[:_LONGEST] or 'no message'}"
    if status == 429:
        # Out of credit is said with 429 too, but waiting does not mend it.
        kind = FaultKind.AUTH if code == "insufficient_quota" else FaultKind.RATE_LIMITED
    elif status in (401, 403) or "api key not valid" in message.lower():
        kind = FaultKind.AUTH
    elif status == 404:
        kind = FaultKind.UNKNOWN_MODEL
    elif status in (408, 409, 425) or status >= 500:
        kind = FaultKind.UNAVAILABLE
    else:
        kind = FaultKind.REJECTED
    return Fault(kind, detail, retry_after(headers))


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
    return f"{who}: {where}: {fault.kind.value} ({fault.detail})", "a reply", "try again later"
