"""OpenAI's chat completions API, which most other servers speak too."""

from __future__ import annotations

from typing import Any

from openai.types.chat import ChatCompletion

from zdg_jax.reasoning.providers.faults import plain_fault
from zdg_jax.reasoning.providers.openai_common import OpenAIWire, data_url, whole
from zdg_jax.reasoning.providers.wire import Ending, Fault, FaultKind, Reply, Usage, WireRequest


class OpenAIChat(OpenAIWire):
    """`openai-chat:MODEL`. Implements `Wire`."""

    name = "openai-chat"

    async def send(self, request: WireRequest) -> Reply | Fault:
        """One request; `create`, not `parse`, because `parse` drops the usage of what it can't parse."""
        completion = await self.caught(self._client.chat.completions.create(**self._body(request)))
        if isinstance(completion, Fault):
            return completion
        if not isinstance(completion, ChatCompletion) or not isinstance(completion.choices, list):
            return plain_fault(FaultKind.GARBLED, "the body is no chat completion")
        return _reply(completion, self.model)

    def _body(self, request: WireRequest) -> dict[str, Any]:
        able = request.able or self.abilities
        detail = {} if able.image_detail is None else {"detail": able.image_detail}
        pictures = [
            {"type": "image_url", "image_url": {"url": data_url(png), **detail}} for png in request.images
        ]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": [{"type": "text", "text": request.text}, *pictures]}],
            able.max_tokens_name: able.max_output_tokens,
        }
        if able.temperature is not None:
            body["temperature"] = able.temperature
        if able.thinking is not None:
            body["reasoning_effort"] = able.thinking
        if able.json_schema:
            schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body


def _reply(completion: ChatCompletion, asked: str) -> Reply:
    text, why, ending = "", "", Ending.COMPLETE
    if completion.choices:
        choice = completion.choices[0]
        text = choice.message.content or "" if choice.message else ""
        refusal = getattr(choice.message, "refusal", None)
        if refusal:
            ending, why = Ending.REFUSED, str(refusal)
        elif choice.finish_reason == "content_filter":
            ending, why = Ending.REFUSED, "content filter"
        elif choice.finish_reason == "length":
            ending, why = Ending.TRUNCATED, "limit of output tokens"
    usage = completion.usage
    details = getattr(usage, "prompt_tokens_details", None)
    written = getattr(usage, "completion_tokens_details", None)
    counted = Usage(
        whole(getattr(usage, "prompt_tokens", None)),
        whole(getattr(usage, "completion_tokens", None)),
        whole(getattr(details, "cached_tokens", None)),
        whole(getattr(written, "reasoning_tokens", None)),
    )
    return Reply(text, ending, why, str(completion.model or asked), counted)
