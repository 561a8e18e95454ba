"""The one policy for faults that pass: which are tried again, after how long, and for how long."""

from __future__ import annotations

import email.utils
import logging
import random
import time
from collections.abc import Mapping

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, stop_before_delay

from zdg_jax.reasoning.providers.settings import Settings
from zdg_jax.reasoning.providers.wire import Fault, FaultKind

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
