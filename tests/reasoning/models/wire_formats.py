"""The real wire formats of OpenAI chat, OpenAI responses and Gemini, as a server sees and sends them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class BadRequest(Exception):
    """What the real service would answer with HTTP 400."""


@dataclass(frozen=True)
class Asked:
    """One question, whatever API it came by."""

    model: str
    prompt: str
    images: list[bytes]
    schema: dict[str, Any]
    temperature: float | None
    max_output_tokens: int | None
    sent: frozenset[str] = frozenset()
    """Names of the parameters that came."""


@dataclass(frozen=True)
class Said:
    """What the model is made to say: `ending` is stop, length, filter or refusal."""

    text: str
    ending: str = "stop"
    model: str = ""
    input_tokens: int = 1000
    output_tokens: int = 50
    cached_tokens: int = 100
    thinking_tokens: int = 10


def _png(url: str) -> bytes:
    head, _, data = url.partition(",")
    if head != "data:image/png;base64":
        raise BadRequest(f"Invalid image_url: {head[:40]}")
    return base64.b64decode(data, validate=True)


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties") is not False:
        raise BadRequest("Invalid schema: 'additionalProperties' is required to be supplied and to be false")
    if set(schema["required"]) != set(schema["properties"]):
        raise BadRequest("Invalid schema: 'required' must include every key in properties")
    return schema


def read_chat(body: dict[str, Any]) -> Asked:
    known = {"model", "messages", "max_completion_tokens", "max_tokens", "temperature", "response_format"}
    if unknown := set(body) - known:
        raise BadRequest(f"Unrecognized request argument supplied: {sorted(unknown)}")
    (message,) = body["messages"]
    assert message["role"] == "user"
    texts = [part["text"] for part in message["content"] if part["type"] == "text"]
    images = [_png(p["image_url"]["url"]) for p in message["content"] if p["type"] == "image_url"]
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    sent, schema = frozenset(body), dict[str, Any]()
    if "response_format" in body:
        form = body["response_format"]
        assert form["type"] == "json_schema"
        assert form["json_schema"]["strict"] is True
        assert form["json_schema"]["name"] == form["json_schema"]["schema"]["title"]
        schema = _strict(form["json_schema"]["schema"])
    asked = Asked(body["model"], "\n\n".join(texts), images, schema, body.get("temperature"), limit, sent)
    return _checked(asked)


def write_chat(said: Said) -> dict[str, Any]:
    refused = said.ending == "refusal"
    message = {
        "role": "assistant",
        "content": None if refused else said.text,
        "refusal": said.text if refused else None,
        "annotations": [],
    }
    finish = {"length": "length", "filter": "content_filter"}.get(said.ending, "stop")
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion",
        "created": 1700000000,
        "model": said.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": said.input_tokens,
            "completion_tokens": said.output_tokens,
            "total_tokens": said.input_tokens + said.output_tokens,
            "prompt_tokens_details": {"cached_tokens": said.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": said.thinking_tokens, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_local",
    }


def read_responses(body: dict[str, Any]) -> Asked:
    known = {"model", "input", "max_output_tokens", "store", "temperature", "text"}
    if unknown := set(body) - known:
        raise BadRequest(f"Unknown parameter: {sorted(unknown)}")
    (message,) = body["input"]
    assert message["role"] == "user"
    texts = [part["text"] for part in message["content"] if part["type"] == "input_text"]
    images = [_png(p["image_url"]) for p in message["content"] if p["type"] == "input_image"]
    assert body["store"] is False
    sent, schema = frozenset(body), dict[str, Any]()
    if "text" in body:
        form = body["text"]["format"]
        assert form["type"] == "json_schema"
        assert form["strict"] is True
        schema = _strict(form["schema"])
    limit = body.get("max_output_tokens")
    asked = Asked(body["model"], "\n\n".join(texts), images, schema, body.get("temperature"), limit, sent)
    return _checked(asked)


def write_responses(said: Said) -> dict[str, Any]:
    cut = {"length": "max_output_tokens", "filter": "content_filter"}.get(said.ending)
    part: dict[str, Any] = {"type": "output_text", "text": said.text, "annotations": []}
    if said.ending == "refusal":
        part = {"type": "refusal", "refusal": said.text}
    thought = {"id": "rs_local", "type": "reasoning", "summary": []}
    message = {
        "id": "msg_local",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    return {
        "id": "resp_local",
        "object": "response",
        "created_at": 1700000000,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "instructions": None,
        "metadata": {},
        "model": said.model,
        "output": [thought, message],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": said.input_tokens,
            "input_tokens_details": {"cached_tokens": said.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": said.thinking_tokens},
            "total_tokens": said.input_tokens + said.output_tokens,
        },
    }


def read_gemini(model: str, body: dict[str, Any]) -> Asked:
    if unknown := set(body) - {"contents", "generationConfig"}:
        raise BadRequest(f'Invalid JSON payload received. Unknown name "{sorted(unknown)}"')
    (content,) = body["contents"]
    assert content["role"] == "user"
    texts = [part["text"] for part in content["parts"] if "text" in part]
    data = [part["inlineData"] for part in content["parts"] if "inlineData" in part]
    # Protobuf's JSON takes either spelling; the SDK sends the second.
    assert all(entry.get("mimeType", entry.get("mime_type")) == "image/png" for entry in data)
    # Bytes are base64 in protobuf's JSON, in either alphabet.
    images = [base64.urlsafe_b64decode(entry["data"].replace("+", "-").replace("/", "_")) for entry in data]
    config = body["generationConfig"]
    assert (config.get("responseMimeType") == "application/json") is ("responseJsonSchema" in config)
    return Asked(
        model,
        "\n\n".join(texts),
        images,
        config.get("responseJsonSchema", {}),
        config.get("temperature"),
        config.get("maxOutputTokens"),
        frozenset(config),
    )


def write_gemini(said: Said) -> dict[str, Any]:
    usage = {
        "promptTokenCount": said.input_tokens,
        "candidatesTokenCount": said.output_tokens - said.thinking_tokens,
        "thoughtsTokenCount": said.thinking_tokens,
        "cachedContentTokenCount": said.cached_tokens,
        "totalTokenCount": said.input_tokens + said.output_tokens,
    }
    common = {"usageMetadata": usage, "modelVersion": said.model, "responseId": "local"}
    if said.ending == "refusal":  # Gemini blocks the prompt and gives no candidate at all
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **common}
    finish = {"length": "MAX_TOKENS", "filter": "SAFETY"}.get(said.ending, "STOP")
    candidate: dict[str, Any] = {"finishReason": finish, "index": 0}
    if said.ending != "filter":
        candidate["content"] = {"parts": [{"text": said.text}], "role": "model"}
    return {"candidates": [candidate], **common}


def openai_error(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def gemini_error(status: int, message: str, name: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": name}}


def _checked(asked: Asked) -> Asked:
    if asked.model.startswith("o4") and asked.temperature is not None:
        raise BadRequest("Unsupported parameter: 'temperature' is not supported with this model.")
    return asked


WRITERS: dict[str, Callable[[Said], dict[str, Any]]] = {
    "openai-chat": write_chat,
    "openai-responses": write_responses,
    "gemini": write_gemini,
}
