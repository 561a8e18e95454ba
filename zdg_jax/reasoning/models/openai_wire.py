"""OpenAI's two APIs through its SDK: chat completions, which most other servers speak too, and responses."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

import httpx2
import openai
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from zdg_jax.reasoning.models.bodies import TooLarge, guards
from zdg_jax.reasoning.models.exchange import (
    Ending,
    Fault,
    FaultKind,
    Reply,
    Usage,
    WireRequest,
)
from zdg_jax.reasoning.models.faults import http_fault, plain_fault
from zdg_jax.reasoning.models.settings import (
    Abilities,
    Settings,
    address_from_environment,
    key_from_environment,
    safe_address,
    tables,
)
from zdg_jax.reasoning.protocol import bounded_count

OFFICIAL = "https://api.openai.com/v1"
T = TypeVar("T")


def base_url() -> str:
    """`OPENAI_BASE_URL`, or OpenAI's own."""
    return address_from_environment("openai", OFFICIAL)


def is_official(url: str) -> bool:
    """Whether an address is OpenAI's own."""
    return safe_address(url).endswith(("//api.openai.com", ".api.openai.com"))


class OpenAIWire:
    """Base of both: everything but the call itself."""

    name = "openai"

    def __init__(self, model: str) -> None:
        """Args: model: as the server names it.

        Raises:
          UserError: no key in the environment.
        """
        self.model = model
        self.key_name, key = key_from_environment("openai")
        url = base_url()
        self.official, self.address = is_official(url), safe_address(url)
        self.settings: Settings = tables().settings_of("openai" if self.official else "compatible")
        self.abilities: Abilities = tables().abilities_of(model)
        self._reached = False
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=url,
            max_retries=0,  # one policy decides (faults.policy)
            http_client=openai.DefaultAsyncHttpxClient(**guards()),
            timeout=httpx2.Timeout(self.settings.timeout_s, connect=self.settings.connect_timeout_s),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """Abilities as they are meant; what a server refuses of them is known only when it answers."""
        unset = {"thinking"} if self.abilities.thinking is None else set[str]()
        return self.abilities.model_dump(mode="json", exclude={"models", *unset})

    @property
    def client(self) -> openai.AsyncOpenAI:
        """Without retries of its own."""
        return self._client

    async def caught(self, call: Coroutine[Any, Any, T], timeout: float | None = None) -> T | Fault:
        """Await an SDK call; whatever the network did comes back as a fault."""
        try:
            async with asyncio.timeout(timeout or self.settings.timeout_s):
                result = await call
        except TimeoutError:
            return plain_fault(FaultKind.TIMEOUT, f"no reply within {timeout or self.settings.timeout_s:g} s")
        except openai.APIStatusError as error:
            self._reached = True
            return http_fault(
                error.status_code, _words(error), error.response.headers, error.code or "", error.param or ""
            )
        except openai.APIConnectionError as error:
            return self._connection_fault(error)
        except (openai.APIError, ValueError) as error:  # a body that is no JSON, or not of the right form
            return plain_fault(FaultKind.GARBLED, error)
        self._reached = True
        return result

    def _connection_fault(self, error: openai.APIConnectionError) -> Fault:
        cause = error.__cause__
        if isinstance(cause, TooLarge):
            return plain_fault(FaultKind.GARBLED, cause)
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
            # A server that was there a moment ago will be back; one that never was is a wrong address.
            kind = FaultKind.DROPPED if self._reached else FaultKind.UNREACHABLE
        elif isinstance(error, openai.APITimeoutError):
            kind = FaultKind.TIMEOUT
        else:
            kind = FaultKind.DROPPED
        return plain_fault(kind, cause or error)

    async def probe(self) -> Fault | None:
        """Look the model up, which costs nothing; a server that can't be asked so gives no verdict."""
        found = await self.caught(self._client.models.retrieve(self.model), self.settings.connect_timeout_s)
        if not isinstance(found, Fault):
            return None
        if found.kind in (FaultKind.AUTH, FaultKind.UNREACHABLE, FaultKind.TIMEOUT):
            return found
        if found.kind is not FaultKind.UNKNOWN_MODEL:
            return None
        if not self.official:
            # Some compatible servers know only the list.
            listed = await self.caught(self._listed(), self.settings.connect_timeout_s)
            if isinstance(listed, Fault) or not listed or self.model in listed:
                return None
            known = ", ".join(sorted(listed)[:8])
            return Fault(FaultKind.UNKNOWN_MODEL, f"it lists {known}")
        return found

    async def _listed(self) -> list[str]:
        page = await self._client.models.list()
        return [model.id for model in page.data]

    async def close(self) -> None:
        await self._client.close()


def data_url(png: bytes) -> str:
    """A PNG file inside a URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _around(pictures: list[dict[str, Any]], kind: str, request: WireRequest) -> list[dict[str, Any]]:
    """What all tasks share, the pictures, the task's own words."""
    shared, own = ({"type": kind, "text": text} for text in request.halves)
    return [shared, *pictures, own] if own["text"] else [shared, *pictures]


def whole(number: object) -> int | None:
    """A count of tokens, if it is one."""
    return bounded_count(number)


def _words(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return body["message"]
    return error.message


class OpenAIChat(OpenAIWire):
    """`openai-chat:MODEL`. Implements `Wire`."""

    name = "openai-chat"
    endpoint: Literal["/v1/chat/completions"] = "/v1/chat/completions"
    shape = ChatCompletion

    async def send(self, request: WireRequest) -> Reply | Fault:
        """One request; `create`, not `parse`, because `parse` drops the usage of what it can't parse."""
        completion = await self.caught(self._client.chat.completions.create(**self.body(request)))
        return completion if isinstance(completion, Fault) else self.reply(completion)

    def reply(self, completion: object) -> Reply | Fault:
        """What the body of an answer says."""
        if not isinstance(completion, ChatCompletion) or not isinstance(completion.choices, list):
            return plain_fault(FaultKind.GARBLED, "the body is no chat completion")
        return _chat_reply(completion, self.model)

    def body(self, request: WireRequest) -> dict[str, Any]:
        """What is sent."""
        able = request.able or self.abilities
        detail = {} if able.image_detail is None else {"detail": able.image_detail}
        pictures = [
            {"type": "image_url", "image_url": {"url": data_url(png), **detail}} for png in request.images
        ]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": _around(pictures, "text", request)}],
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


def _chat_reply(completion: ChatCompletion, asked: str) -> Reply:
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


class OpenAIResponses(OpenAIWire):
    """`openai-responses:MODEL`. Implements `Wire`."""

    name = "openai-responses"
    endpoint: Literal["/v1/responses"] = "/v1/responses"
    shape = Response

    async def send(self, request: WireRequest) -> Reply | Fault:
        """One request; nothing is stored at the provider."""
        response = await self.caught(self._client.responses.create(**self.body(request)))
        return response if isinstance(response, Fault) else self.reply(response)

    def reply(self, response: object) -> Reply | Fault:
        """What the body of an answer says."""
        if not isinstance(response, Response) or not isinstance(response.output, list):
            return plain_fault(FaultKind.GARBLED, "the body is no response")
        if response.status == "failed":
            code = str(getattr(response.error, "code", "") or "")
            said = str(getattr(response.error, "message", "") or "failed")
            return http_fault(429 if code == "rate_limit_exceeded" else 500, said, {})
        return _responses_reply(response, self.model)

    def body(self, request: WireRequest) -> dict[str, Any]:
        """What is sent."""
        able = request.able or self.abilities
        detail = able.image_detail or "auto"
        pictures = [
            {"type": "input_image", "image_url": data_url(png), "detail": detail} for png in request.images
        ]
        content = _around(pictures, "input_text", request)
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


def _responses_reply(response: Response, asked: str) -> Reply:
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


def openai_wire(model: str) -> OpenAIWire:
    """Responses at OpenAI's own address; chat, which every compatible server speaks, elsewhere."""
    return OpenAIResponses(model) if is_official(base_url()) else OpenAIChat(model)
