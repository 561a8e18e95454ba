"""What services say when they refuse a parameter, or a request that will never fit; their wording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.reasoning.models import wire_formats as wires

Body = dict[str, Any]


_TEMPERATURE = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is."
_NAME = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
_SCHEMA = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
_RANGE = "Unable to submit request because it has a maxOutputTokens value of {} but the supported range is 1 "
_MOST = "max_tokens is too large: {}. This model supports at most {} completion tokens."
_REQUEST = (
    "Request too large for m in organization org-1 on tokens per min (TPM): Limit 30000, Requested 43234."
)
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_requests"


def refusal(api: str, asked: wires.Asked, config: dict[str, Any]) -> Body | None:
    """The 400 for the first of `config["refuses"]` that the request has.

    Args:
      config: `refuses` lists temperature, max_tokens, json_schema, or a number that the limit of output
        tokens must not pass; with `mute` the error names no parameter.
    """
    for what in config.get("refuses", ()):
        if what == "temperature" and asked.temperature is not None:
            return _said(api, _TEMPERATURE, "temperature")
        if what == "max_tokens" and "max_tokens" in asked.sent:
            return _said(api, _NAME, "max_tokens")
        if what == "json_schema" and asked.schema:
            if api == "gemini":
                return _said(api, "JSON mode is not enabled for this model", None)
            return _said(api, _SCHEMA, "text.format" if api == "openai-responses" else "response_format")
        limit = asked.max_output_tokens or 0
        if isinstance(what, int) and limit > what:
            if api == "gemini":
                return _said(api, f"{_RANGE.format(limit)}(inclusive) to {what + 1} (exclusive).", None)
            return _said(api, _MOST.format(limit, what), None if config.get("mute") else "max_tokens")
    return None


def _said(api: str, text: str, param: str | None) -> Body:
    if api == "gemini":
        return wires.gemini_error(400, text, "INVALID_ARGUMENT")
    return wires.openai_error(text, "invalid_request_error", "unsupported_value", param)


def _too_large(api: str) -> tuple[int, Body]:
    if api == "gemini":
        text = "The input token count (43234) exceeds the maximum number of tokens allowed (30000)."
        return 400, wires.gemini_error(400, text, "INVALID_ARGUMENT")
    return 429, wires.openai_error(_REQUEST, "tokens", "rate_limit_exceeded")


def _no_quota(api: str) -> tuple[int, Body]:
    if api == "gemini":
        text = f"{_QUOTA}\n* Quota exceeded for metric: {_METRIC}, limit: 0, model: m\nPlease retry in 11.6s."
        return 429, wires.gemini_error(429, text, "RESOURCE_EXHAUSTED")
    return 429, wires.openai_error(_QUOTA, "insufficient_quota", "insufficient_quota")


def _pictures(api: str) -> tuple[int, Body]:
    text = "At most 1 image(s) may be provided in one request."
    error = wires.gemini_error(500, text, "INTERNAL") if api == "gemini" else None
    return 500, error or wires.openai_error(text, "server_error", None)


def _payload(api: str) -> tuple[int, Body]:
    text = "Request payload size exceeds the limit: 20971520 bytes."
    error = wires.gemini_error(413, text, "INVALID_ARGUMENT") if api == "gemini" else None
    return 413, error or wires.openai_error(text, "invalid_request_error", None)


FOR_GOOD: dict[str, Callable[[str], tuple[int, Body]]] = {
    "too_large": _too_large,
    "no_quota": _no_quota,
    "pictures": _pictures,
    "payload": _payload,
}
