"""Bounds on what a server may send: an answer is kilobytes of JSON, whatever stands behind the address.

Apart from `exchange`, which also those import who ask no model and need no HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

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
