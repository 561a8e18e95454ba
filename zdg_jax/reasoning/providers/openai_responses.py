"""OpenAI's responses API."""

from __future__ import annotations

from typing import Any

from openai.types.responses import Response

from zdg_jax.reasoning.providers.faults import http_fault, plain_fault
from zdg_jax.reasoning.providers.openai_common import OpenAIWire, data_url, whole
from zdg_jax.reasoning.providers.wire import Ending, Fault, FaultKind, Reply, Usage, WireRequest


class OpenAIResponses(OpenAIWire):
    """`openai-responses:MODEL`. Implements `Wire`."""

    name = "openai-responses"

    async def send(self, request: WireRequest) -> Reply | Fault:
        """One request; nothing is stored at the provider."""
        response = await self.caught(self._client.responses.create(**self._body(request)))
        if isinstance(response, Fault):
            return response
        if not isinstance(response, Response) or not isinstance(response.output, list):
            return plain_fault(FaultKind.GARBLED, "the body is no response")
        if response.status == "failed":
            code = str(getattr(response.error, "code", "") or "")
            said = str(getattr(response.error, "message", "") or "failed")
            return http_fault(429 if code == "rate_limit_exceeded" else 500, said, {})
        return _reply(response, self.model)

    def _body(self, request: WireRequest) -> dict[str, Any]:
        able = request.able or self.abilities
        detail = able.image_detail or "auto"
        pictures = [
            {"type": "input_image", "image_url": data_url(png), "detail": detail} for png in request.images
        ]
        content = [{"type": "input_text", "text": request.text}, *pictures]
        body: dict[str, Any] = {
            "model": self.model,
            "input": [{"role": "user", "content": content}],
            "max_output_tokens": able.max_output_tokens,
            "store": False,
        }
        if able.temperature is not None:
            body["temperature"] = able.temperature
        if able.thinking is not None:
            body["reasoning"] = {"effort": able.thinking}
        if able.json_schema:
            body["text"] = {
                "format": {
                    "type": "json_schema",
                    "name": request.schema_name,
                    "schema": request.schema,
                    "strict": True,
                }
            }
        return body


def _reply(response: Response, asked: str) -> Reply:
    texts, refusals = [], []
    for item in response.output:
        for part in getattr(item, "content", None) or () if item.type == "message" else ():
            if part.type == "output_text":
                texts.append(part.text or "")
            elif part.type == "refusal":
                refusals.append(part.refusal or "")
    why, ending = "", Ending.COMPLETE
    cut = getattr(response.incomplete_details, "reason", None)
    if refusals:
        ending, why = Ending.REFUSED, " ".join(refusals)
    elif cut == "content_filter":
        ending, why = Ending.REFUSED, "content filter"
    elif response.status == "incomplete":
        ending, why = Ending.TRUNCATED, str(cut or "incomplete")
    usage = response.usage
    details = getattr(usage, "input_tokens_details", None)
    written = getattr(usage, "output_tokens_details", None)
    counted = Usage(
        whole(getattr(usage, "input_tokens", None)),
        whole(getattr(usage, "output_tokens", None)),
        whole(getattr(details, "cached_tokens", None)),
        whole(getattr(written, "reasoning_tokens", None)),
    )
    return Reply("".join(texts), ending, why, str(response.model or asked), counted)
