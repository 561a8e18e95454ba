"""From HTTP statuses and exceptions to faults; which are tried again, and what the others mean for a row."""

from __future__ import annotations

import email.utils
import logging
import random
import re
import time
from collections.abc import Mapping
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, stop_before_delay

from zdg_jax.reasoning.models.exchange import Ending, Fault, FaultKind, Reply, Wire
from zdg_jax.reasoning.models.settings import Abilities, Settings, redact
from zdg_jax.status import Status

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


_log = logging.getLogger(__name__)
PASSING = frozenset(
    {
        FaultKind.RATE_LIMITED,
        FaultKind.UNAVAILABLE,
        FaultKind.TIMEOUT,
        FaultKind.DROPPED,
        FaultKind.GARBLED,
    }
)


def policy(settings: Settings) -> AsyncRetrying:
    """Tries again while the outcome is a fault that passes; gives the last outcome, never raises for it.

    Args:
      settings: bounds on tries and on total time; the SDKs' own retries are off.
    """
    return AsyncRetrying(
        retry=retry_if_result(lambda outcome: isinstance(outcome, Fault) and outcome.kind in PASSING),
        wait=lambda state: _wait(state, settings),
        stop=stop_after_attempt(settings.max_tries) | stop_before_delay(settings.max_wait_s),
        before_sleep=_say,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )


def _wait(state: RetryCallState, settings: Settings) -> float:
    """Seconds until the next try: a little more than the provider asked for, else jittered exponential."""
    fault = state.outcome.result() if state.outcome else None
    if isinstance(fault, Fault) and fault.retry_after is not None:
        # A little later, each at another moment: who was sent away together shall not come back together.
        return fault.retry_after + random.uniform(0.02, 0.02 + settings.first_wait_s / 2)
    longest = min(settings.longest_wait_s, settings.first_wait_s * 2.0 ** (state.attempt_number - 1))
    return random.uniform(longest / 2, longest)


def _say(state: RetryCallState) -> None:
    fault = state.outcome.result() if state.outcome else None
    _log.info("try %d: %s; waiting %.1f s", state.attempt_number, fault, state.upcoming_sleep)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds from a response's Retry-After, whether it gives seconds or a date; None if it gives neither.

    Args:
      headers: of the response, names in any case.
      now: seconds since the epoch; the response's own Date if there is one, so that clocks need not agree.
    """
    found = {name.lower(): value for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(found[name]) * unit)
        except (KeyError, ValueError):
            continue
    until = _epoch(found.get("retry-after", ""))
    if until is None:
        return None
    if now is None:
        now = _epoch(found.get("date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def _epoch(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError):
        return None


# What to send after a refused parameter, or after thought has eaten the limit of output tokens.
_MORE = 4  # times the limit of output tokens

# Words by which servers name what they refuse, and the ability behind them.
_NAMED = {
    "temperature": re.compile(r"temperature", re.IGNORECASE),
    "max_output_tokens": re.compile(
        r"max_?(?:completion_?|output_?)?tokens|(?:in the|at most \d+) completion", re.IGNORECASE
    ),
    "json_schema": re.compile(
        r"response_?format|json_?schema|text\.format|response_?schema|json mode|structured output",
        re.IGNORECASE,
    ),
    "thinking": re.compile(r"reasoning[._]?effort|thinking_?(?:level|config)", re.IGNORECASE),
    "image_detail": re.compile(r"\bdetail\b", re.IGNORECASE),
}
_REFUSES = re.compile(
    r"not supported?|unsupported|does not support|doesn't support|unrecognized|unknown|unexpected"
    r"|not permitted|not allowed|invalid"
    r"|too large|not enabled|deprecated|supported range|extra inputs|context length",
    re.IGNORECASE,
)
_MOST = (
    re.compile(r"at most (\d+)"),
    re.compile(r"\(inclusive\) to (\d+) \(exclusive\)"),
    re.compile(r"(?:<=|less than or equal to|maximum(?: value)?(?: is| of|:)) (\d+)", re.IGNORECASE),
)
_ROOM = re.compile(
    r"context length is (\d+) tokens.*?(?:(\d+) (?:in the messages|input tokens)|has (\d+) input)", re.DOTALL
)
_OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


class Adapter:
    """The parameters that one model is asked with; each is changed once at most, and stays so for the run."""

    def __init__(self, able: Abilities, most_output: int | None) -> None:
        """Args:
        able: as configured.
        most_output: the greatest limit of output tokens that the model is known to take.
        """
        self.now = able
        self._most = most_output
        self._changed: set[str] = set()

    def after_refusal(self, sent: Abilities, fault: Fault) -> bool:
        """Drop or change what the server named as wrong.

        Args:
          sent: what the refused request was sent with.
          fault: the refusal.
        Returns: whether to send again, with `now`.
        """
        if fault.kind not in (FaultKind.REJECTED, FaultKind.TOO_LARGE) or not fault.said:
            return False
        if sent != self.now:  # another request met the same refusal first
            return True
        update: dict[str, Any] = {}
        for name in _named(fault):
            update |= self._instead(name, fault.said)
        update = {name: value for name, value in update.items() if name not in self._changed}
        if not update:
            return False
        self._change(update, fault.detail)
        return True

    def after_truncation(self, sent: Abilities) -> bool:
        """Raise the limit of output tokens, once.

        Args:
          sent: what the truncated answer was asked with.
        Returns: whether to send again, with `now`.
        """
        if self.now.max_output_tokens > sent.max_output_tokens:
            return True
        more = _MORE * sent.max_output_tokens
        raised = more if self._most is None else min(more, self._most)
        if "raised" in self._changed or raised <= sent.max_output_tokens:
            return False
        self._changed.add("raised")
        self._change({"max_output_tokens": raised}, "hidden reasoning ate the limit")
        self._changed.discard("max_output_tokens")  # a server that knows a lower one may still name it
        return True

    def _instead(self, name: str, said: str) -> dict[str, Any]:
        able = self.now
        if name == "json_schema":
            return {name: False} if able.json_schema else {}
        if name != "max_output_tokens":
            return {name: None} if getattr(able, name) is not None else {}
        most = _most(said)
        if most is not None and 0 < most < able.max_output_tokens:
            self._most = most
            return {name: most}
        if most is None and able.max_tokens_name in said:
            return {"max_tokens_name": _OTHER_NAME.get(able.max_tokens_name, "max_tokens")}
        return {}

    def _change(self, update: dict[str, Any], why: str) -> None:
        self._changed.update(update)
        self.now = self.now.model_copy(update=update)
        said = ", ".join(f"{name} {value}" for name, value in update.items())
        _log.info("from now on asked with %s: %s", said, why)


def starved(reply: Reply) -> bool:
    """Whether hidden reasoning left no room for the answer."""
    if reply.ending is not Ending.TRUNCATED:
        return False
    thought, written = reply.usage.thinking_tokens, reply.usage.output_tokens
    mostly = thought is not None and written is not None and 2 * thought >= written > 0
    return mostly or not reply.text.strip()


def _named(fault: Fault) -> list[str]:
    """The abilities that a refusal names: by the parameter that it gives, else by its words."""
    by_param = [name for name, pattern in _NAMED.items() if fault.param and pattern.search(fault.param)]
    if by_param or not _REFUSES.search(fault.said):
        return by_param
    return [n for n, pattern in _NAMED.items() if n != "image_detail" and pattern.search(fault.said)]


def _most(said: str) -> int | None:
    """The limit of output tokens that a refusal names."""
    room = _ROOM.search(said)
    if room:
        left = int(room[1]) - int(room[2] or room[3])
        return left if left > 0 else None
    for pattern in _MOST:
        found = pattern.search(said)
        if found:
            return int(found[1]) - (1 if "exclusive" in found[0] else 0)
    return None
