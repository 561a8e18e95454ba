"""Google's Gemini API through google-genai."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx2
from google import genai
from google.genai import errors, types

from zdg_jax.reasoning.models.bodies import guards
from zdg_jax.reasoning.models.exchange import Ending, Fault, FaultKind, Reply, Usage, WireRequest
from zdg_jax.reasoning.models.faults import http_fault, plain_fault
from zdg_jax.reasoning.models.openai_wire import whole
from zdg_jax.reasoning.models.settings import (
    address_from_environment,
    key_from_environment,
    safe_address,
    tables,
)

OFFICIAL = "https://generativelanguage.googleapis.com/"
T = TypeVar("T")

_BLOCKED = frozenset(
    "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT "
    "ESCALATION MODEL_ARMOR".split()
)


class Gemini:
    """`gemini:MODEL`. Implements `Wire`."""

    name = "gemini"

    def __init__(self, model: str) -> None:
        """Args: model: as Google names it, without `models/`.

        Raises:
          UserError: no key in the environment.
        """
        self.model = model
        self.key_name, key = key_from_environment("gemini")
        self.url = url = address_from_environment("gemini", OFFICIAL)
        self.address = safe_address(url)
        self.official = self.address == safe_address(OFFICIAL)
        self.settings = tables().settings_of("gemini" if self.official else "compatible")
        self.abilities = tables().abilities_of(model)
        self._reached = False
        # The SDK retries nothing unless told to, and has no time limit of its own.
        self._http = httpx2.AsyncClient(transport=ConnectLimit(self.settings.connect_timeout_s), **guards())
        self.connect: Callable[[httpx2.AsyncClient], genai.Client] = lambda http: genai.Client(
            api_key=key,
            vertexai=False,
            http_options=types.HttpOptions(base_url=url, httpx_async_client=http),
        )
        self._client = self.connect(self._http)

    @property
    def parameters(self) -> dict[str, Any]:
        """Abilities as they are meant; what a server refuses of them is known only when it answers."""
        level = set[str]() if self.abilities.thinking is None else {"thinking"}
        return self.abilities.model_dump(
            mode="json", include={"temperature", "max_output_tokens", "json_schema", *level}
        )

    async def send(self, request: WireRequest) -> Reply | Fault:
        """One request."""
        asked = self._client.aio.models.generate_content(
            model=self.model, contents=[self.content(request)], config=self.config(request)
        )
        response = await self.caught(asked)
        return response if isinstance(response, Fault) else self.reply(response)

    def content(self, request: WireRequest) -> types.Content:
        """The question."""
        pictures = [types.Part.from_bytes(data=png, mime_type="image/png") for png in request.images]
        shared, own = request.halves
        parts = [types.Part.from_text(text=shared), *pictures]
        return types.Content(role="user", parts=[*parts, types.Part.from_text(text=own)] if own else parts)

    def config(self, request: WireRequest) -> types.GenerateContentConfig:
        """How it is to be answered."""
        able = request.able or self.abilities
        return types.GenerateContentConfig(
            temperature=able.temperature,
            max_output_tokens=able.max_output_tokens,
            response_mime_type="application/json" if able.json_schema else None,
            response_json_schema=request.schema if able.json_schema else None,
            thinking_config=_thinking(able.thinking),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )

    def reply(self, response: types.GenerateContentResponse) -> Reply:
        """What an answer says."""
        return _reply(response, self.model)

    async def caught(self, call: Coroutine[Any, Any, T], timeout: float | None = None) -> T | Fault:
        """Await an SDK call; whatever the network did comes back as a fault."""
        try:
            async with asyncio.timeout(timeout or self.settings.timeout_s):
                result = await call
        except TimeoutError:
            return plain_fault(FaultKind.TIMEOUT, f"no reply within {timeout or self.settings.timeout_s:g} s")
        except errors.APIError as error:
            self._reached = True
            return _api_fault(error)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as error:
            return plain_fault(FaultKind.DROPPED if self._reached else FaultKind.UNREACHABLE, error)
        except httpx2.TimeoutException as error:
            return plain_fault(FaultKind.TIMEOUT, error)
        except httpx2.HTTPError as error:
            return plain_fault(FaultKind.DROPPED, error)
        except (ValueError, TypeError, AttributeError, errors.UnknownApiResponseError) as error:
            return plain_fault(FaultKind.GARBLED, error)  # a body that is no JSON, or not of the right form
        self._reached = True
        return result

    async def probe(self) -> Fault | None:
        """Look the model up, which costs nothing."""
        found = await self.caught(
            self._client.aio.models.get(model=self.model), self.settings.connect_timeout_s
        )
        wrong = (FaultKind.AUTH, FaultKind.UNREACHABLE, FaultKind.TIMEOUT, FaultKind.UNKNOWN_MODEL)
        return found if isinstance(found, Fault) and found.kind in wrong else None

    async def close(self) -> None:
        await self._http.aclose()


class ConnectLimit(httpx2.AsyncHTTPTransport):
    """Limits the time for a connection; the SDK passes "no limit" with every request."""

    def __init__(self, seconds: float) -> None:
        super().__init__(limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100))
        self._seconds = seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        limits = {**request.extensions.get("timeout", {}), "connect": self._seconds}
        request.extensions = {**request.extensions, "timeout": limits}
        return await super().handle_async_request(request)


def _api_fault(error: errors.APIError) -> Fault:
    headers = dict(getattr(error.response, "headers", None) or {})
    details = error.details if isinstance(error.details, dict) else {}
    inner = details.get("error", details)
    for entry in inner.get("details", ()) if isinstance(inner, dict) else ():
        delay = entry.get("retryDelay", "") if isinstance(entry, dict) else ""
        if isinstance(delay, str) and delay.endswith("s"):  # google.rpc.RetryInfo, e.g. "17s"
            headers.setdefault("retry-after", delay[:-1])
    return http_fault(error.code or 500, str(error.message or ""), headers)


def _reply(response: types.GenerateContentResponse, asked: str) -> Reply:
    text, why, ending = "", "", Ending.COMPLETE
    blocked = response.prompt_feedback.block_reason if response.prompt_feedback else None
    if blocked:
        ending, why = Ending.REFUSED, f"prompt blocked: {_name(blocked)}"
    elif response.candidates:
        candidate = response.candidates[0]
        parts = (candidate.content.parts if candidate.content else None) or ()
        text = "".join(part.text or "" for part in parts if not part.thought)
        reason = _name(candidate.finish_reason)
        if reason in _BLOCKED:
            ending, why = Ending.REFUSED, reason
        elif reason == "MAX_TOKENS":
            ending, why = Ending.TRUNCATED, "limit of output tokens"
    used = response.usage_metadata
    written = whole(getattr(used, "candidates_token_count", None))
    thought = whole(getattr(used, "thoughts_token_count", None))
    counted = Usage(
        whole(getattr(used, "prompt_token_count", None)),
        None if written is None and thought is None else (written or 0) + (thought or 0),
        whole(getattr(used, "cached_content_token_count", None)),
        thought,
    )
    return Reply(text, ending, why, str(response.model_version or asked), counted)


def _thinking(level: str | None) -> types.ThinkingConfig | None:
    if level is None:
        return None
    return types.ThinkingConfig.model_validate({"thinking_level": level.upper()})


def _name(value: object) -> str:
    return str(getattr(value, "value", value) or "")
