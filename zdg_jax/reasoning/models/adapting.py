"""What to send after a refused parameter, or after thought has eaten the limit of output tokens."""

from __future__ import annotations

import logging
import re
from typing import Any

from zdg_jax.reasoning.models.settings import Abilities
from zdg_jax.reasoning.models.wire import Ending, Fault, FaultKind, Reply

_log = logging.getLogger(__name__)
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
