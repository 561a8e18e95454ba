"""What the two OpenAI APIs share: client, faults, probe."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx2
import openai

from zdg_jax.reasoning.providers.faults import http_fault, plain_fault
from zdg_jax.reasoning.providers.secrets import key_from_environment, safe_address
from zdg_jax.reasoning.providers.settings import Abilities, Settings, tables
from zdg_jax.reasoning.providers.wire import Fault, FaultKind

OFFICIAL = "https://api.openai.com/v1"
KEY, BASE_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
T = TypeVar("T")


def base_url() -> str:
    """`OPENAI_BASE_URL`, or OpenAI's own."""
    return os.environ.get(BASE_URL, "").strip() or OFFICIAL


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
        self.key_name, key = key_from_environment(KEY)
        url = base_url()
        self.official, self.address = is_official(url), safe_address(url)
        self.settings: Settings = tables().settings_of("openai" if self.official else "compatible")
        self.abilities: Abilities = tables().abilities_of(model)
        self._reached = False
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=url,
            max_retries=0,  # one policy decides (retry.py)
            timeout=httpx2.Timeout(self.settings.timeout_s, connect=self.settings.connect_timeout_s),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """Abilities as they are meant; what a server refuses of them is known only when it answers."""
        unset = {"thinking"} if self.abilities.thinking is None else set[str]()
        return self.abilities.model_dump(mode="json", exclude={"models", *unset})

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


def whole(number: object) -> int | None:
    """A count of tokens, if it is one."""
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None


def _words(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return body["message"]
    return error.message
