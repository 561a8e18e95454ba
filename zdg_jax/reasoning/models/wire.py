"""What every provider's wire takes and gives: one request, one reply or one fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import httpx2

from zdg_jax.reasoning.models.settings import Abilities, Settings

# Bounds on what a server may send: an answer is kilobytes of JSON, whatever stands behind the address.
MOST_BYTES = 16 << 20
MOST_PACKED = 256 << 10  # packed a thousandfold at most: what unpacks stays below memory


class TooLarge(ValueError):
    """A body beyond the bound; the rest of it is not read."""


class Bounded(httpx2.AsyncByteStream):
    """A body that ends with `TooLarge` once more than `most` bytes of it came."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._most = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        async for chunk in self._stream:
            count += len(chunk)
            if count > self._most:
                raise TooLarge(f"a body of more than {self._most >> 10} KiB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def guards(most: int = MOST_BYTES) -> dict[str, Any]:
    """Arguments of a client: bodies are bounded, and pictures are not sent on to where a server points.

    Args:
      most: bytes of a body that is not packed.
    """

    async def bound(response: httpx2.Response) -> None:
        packed = response.headers.get("content-encoding", "identity") != "identity"
        response.stream = Bounded(response.stream, MOST_PACKED if packed else most)

    return {"follow_redirects": False, "event_hooks": {"response": [bound]}}


@dataclass(frozen=True)
class Usage:
    """Tokens of one request; None where the provider did not say.

    Attributes:
      input_tokens: all input, cached included.
      output_tokens: all output, hidden reasoning included.
      cached_tokens: the part of the input that the provider had cached.
      thinking_tokens: the hidden part of the output.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    thinking_tokens: int | None = None


OWN = "\n\n## This task\n"
"""The heading below which a prompt speaks of one task."""


@dataclass(frozen=True)
class WireRequest:
    """One question as it goes out.

    Attributes:
      text: the prompt, earlier refusals included.
      images: PNG files, in the order in which the text speaks of them.
      schema_name, schema: the JSON schema that the answer must fit.
      able: the parameters to send; None for the wire's own.
      key: under which its answer is kept; names its row in a batch job.
    """

    text: str
    images: tuple[bytes, ...]
    schema_name: str
    schema: dict[str, Any] = field(repr=False)
    able: Abilities | None = None
    key: str = ""

    @property
    def halves(self) -> tuple[str, str]:
        """The text that all tasks share, and the task's own, perhaps none.

        Pictures go between them: those of an object are shared by its tasks, and providers and servers keep
        the longest beginning that two requests have in common.
        """
        shared, heading, own = self.text.partition(OWN)
        return shared, heading.lstrip("\n") + own


class Ending(StrEnum):
    """How a reply ended."""

    COMPLETE = "complete"
    REFUSED = "refused"
    TRUNCATED = "truncated"


@dataclass(frozen=True)
class Reply:
    """The provider did its work; whether the answer is any good is judged elsewhere.

    Attributes:
      text: what the model wrote, perhaps nothing.
      ending: how it ended.
      why: the refusal's words or the filter's name.
      model: the id that the provider says it used.
      usage: counted whatever the ending.
    """

    text: str
    ending: Ending
    why: str
    model: str
    usage: Usage


class FaultKind(StrEnum):
    """What kept the provider from replying."""

    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    GARBLED = "garbled"
    UNREACHABLE = "unreachable"
    AUTH = "auth"
    UNKNOWN_MODEL = "unknown_model"
    REJECTED = "rejected"
    TOO_LARGE = "too_large"
    NO_QUOTA = "no_quota"


@dataclass(frozen=True)
class Fault:
    """No reply.

    Attributes:
      kind: what happened.
      detail: one line, free of secrets.
      retry_after: seconds that the provider asked us to wait.
      said: all of the provider's words, free of secrets.
      param: the parameter that it names as wrong.
    """

    kind: FaultKind
    detail: str
    retry_after: float | None = None
    said: str = field(default="", repr=False)
    param: str = ""


@runtime_checkable
class Wire(Protocol):
    """One provider's API. Methods run on the I/O loop and never raise what the network did."""

    name: str
    """An entry of `providers` in providers.yaml."""
    model: str
    official: bool
    """Whether the address is the provider's own; prices and limits are known only then."""
    address: str
    """Scheme and host, without credentials."""
    key_name: str
    """The environment variable that held the key."""
    settings: Settings
    abilities: Abilities
    """Of the model, as configured."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything besides the question that an answer depends on; part of the cache's key."""
        ...

    async def send(self, request: WireRequest) -> Reply | Fault: ...

    async def probe(self) -> Fault | None:
        """A free look whether address, key and model are good; None if nothing is known to be wrong."""
        ...

    async def close(self) -> None: ...
