"""What services say when they refuse a parameter, or a request that will never fit; their wording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.reasoning.providers import wire_formats as wires

Body = dict[str, Any]


def refusal(api: str, asked: wires.Asked, config: dict[str, Any]) -> Body | None:
    """The 400 for the first of `config["refuses"]` (temperature, max_tokens, json_schema, or a number that the
    limit of output tokens must not pass) that the request has."""
    for what in config.get("refuses", ()):
        if what == "temperature" and asked.temperature is not None:
            return _said(
                api,
                "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value "
                "is supported.",
                "temperature",
            )
        if what == "max_tokens" and "max_tokens" in asked.sent:
            return _said(
                api,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                "max_tokens",
            )
        if what == "json_schema" and asked.schema:
            if api == "gemini":
                return wires.gemini_error(400, "JSON mode is not enabled for this model", "INVALID_ARGUMENT")
            return _said(
                api,
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
                "text.format" if api == "openai-responses" else "response_format",
            )
        if isinstance(what, int) and (asked.max_output_tokens or 0) > what:
            if api == "gemini":
                said = (
                    f"Unable to submit request because it has a maxOutputTokens value of {asked.max_output_tokens} "
                    f"but the supported range is from 1 (inclusive) to {what + 1} (exclusive)."
                )
                return wires.gemini_error(400, said, "INVALID_ARGUMENT")
            said = f"max_tokens is too large: {asked.max_output_tokens}. This model supports at most {what} "
            return _said(api, said + "completion tokens.", None if config.get("mute") else "max_tokens")
    return None


def _said(api: str, text: str, param: str | None) -> Body:
    if api == "gemini":
        return wires.gemini_error(400, text, "INVALID_ARGUMENT")
    return wires.openai_error(text, "invalid_request_error", "unsupported_value", param)


def _too_large(api: str) -> tuple[int, Body]:
    if api == "gemini":
        text = "The input token count (43234) exceeds the maximum number of tokens allowed (30000)."
        return 400, wires.gemini_error(400, text, "INVALID_ARGUMENT")
    text = (
        "Request too large for m in organization org-1 on tokens per min (TPM): Limit 30000, Requested 43234. "
        "The input or output tokens must be reduced in order to run successfully."
    )
    return 429, wires.openai_error(text, "tokens", "rate_limit_exceeded")


def _no_quota(api: str) -> tuple[int, Body]:
    if api == "gemini":
        text = (
            "You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for "
            "metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 0, model: m\n"
            "Please retry in 11.6s."
        )
        return 429, wires.gemini_error(429, text, "RESOURCE_EXHAUSTED")
    text = "You exceeded your current quota, please check your plan and billing details."
    return 429, wires.openai_error(text, "insufficient_quota", "insufficient_quota")


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
