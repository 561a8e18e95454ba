"""A local server for both SDKs.

Its configuration: `key`, `models`, `latency`, `retry_after` (seconds), `retry_form` (seconds | date),
`decode`, `answers` (questions answered; later ones are held), `holds` (words whose questions are held too),
`refuses` (see `refusals`), and what `ScriptedModel` reads. `GET /_log` gives what it saw; `GET /_release`
lets go of all that it holds, and from then on it holds nothing; where there are `holds`, the first call lets
go of the other questions, the second of those. Its batch APIs are in `job_server`.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import io
import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image

from tests.reasoning.models import refusals
from tests.reasoning.models import wire_formats as wires
from tests.reasoning.models.job_server import Jobs
from tests.reasoning.models.model import ScriptedModel, stage_of
from zdg_jax.reasoning.protocol import image_sha

Body = dict[str, Any] | bytes


class Server:
    def __init__(self, config: dict[str, Any], on_hang: Callable[[], None]) -> None:
        """Args:
        config: see above.
        on_hang: called for each request that it lets hang.
        """
        self.config, self.model, self.on_hang = config, ScriptedModel(config), on_hang
        self.log: list[dict[str, Any]] = []
        self.seen: dict[str, int] = {}
        self.not_before: dict[str, float] = {}
        self.answered, self.released, self.all_released = 0, asyncio.Event(), asyncio.Event()
        self.jobs = Jobs(config, self.model, self.log, self.released, self.read)
        self.stopped, self.connections = asyncio.Event(), set[asyncio.Task[None]]()

    async def serve(self, began: Callable[[int], None]) -> None:
        """Answer until it is stopped; `began` is told the port."""
        server = await asyncio.start_server(self.connection, "127.0.0.1", 0)
        began(server.sockets[0].getsockname()[1])
        await self.stopped.wait()
        server.close()
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        assert own is not None
        self.connections.add(own)
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) != b"":
                first, *lines = head.decode("latin-1").strip().split("\r\n")
                method, target, _ = first.split(" ")
                headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = await self.answer(method, target.partition("?")[0], headers, body)
                if answer is None:  # dropped
                    return
                writer.write(self.response(*answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:  # stopped: nothing more is said
            writer.transport.abort()
        finally:
            self.connections.discard(own)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def response(self, status: int, body: Body, extra: dict[str, str]) -> bytes:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(data)),
            "date": email.utils.formatdate(usegmt=True),
            **extra,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + data

    async def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Body, dict[str, str]] | None:
        if path == "/_log":
            return 200, {"log": self.log}, {}
        if path == "/_release":
            (self.all_released if self.released.is_set() else self.released).set()
            return 200, {}, {}
        if path.startswith("/uploading/"):  # who knows the address may
            return await self.jobs.answer(method, path, headers, body)
        gemini = "x-goog-api-key" in headers
        given = headers.get("x-goog-api-key" if gemini else "authorization", "").removeprefix("Bearer ")
        if given != self.config["key"]:
            self.log.append({"path": path, "fault": "401", "at": time.monotonic()})
            # Both services repeat the key that they refuse.
            if gemini:
                text = f"API key not valid. Please pass a valid API key. Got {given}"
                return 400, wires.gemini_error(400, text, "INVALID_ARGUMENT"), {}
            text = f"Incorrect API key provided: {given}. You can find your API key at ..."
            return 401, wires.openai_error(text, "invalid_request_error", "invalid_api_key"), {}
        if self.jobs.concerns(path):
            return await self.jobs.answer(method, path, headers, body)
        if method == "GET":
            return self.models(path, gemini)
        return await self.question(path, body)

    def models(self, path: str, gemini: bool) -> tuple[int, Body, dict[str, str]]:
        self.log.append({"path": path, "fault": None, "at": time.monotonic()})
        name = path.rpartition("/models")[2].lstrip("/")
        known = self.config.get("models", ["m"])
        if not name:
            listed = [{"id": k, "object": "model", "created": 1, "owned_by": "me"} for k in known]
            return 200, {"object": "list", "data": listed}, {}
        if name in known:
            record = {"name": f"models/{name}"} if gemini else {"id": name, "object": "model", "created": 1}
            return 200, record, {}
        return (*self.no_model(name, gemini), {})

    def no_model(self, name: str, gemini: bool) -> tuple[int, Body]:
        if gemini:
            return 404, wires.gemini_error(
                404, f"models/{name} is not found for API version v1beta", "NOT_FOUND"
            )
        text = f"The model `{name}` does not exist or you do not have access to it."
        return 404, wires.openai_error(text, "invalid_request_error", "model_not_found")

    async def question(self, path: str, body: bytes) -> tuple[int, Body, dict[str, str]] | None:
        arrived = time.monotonic()
        digest = hashlib.sha256(body).hexdigest()[:16]
        times = self.seen[digest] = self.seen.get(digest, 0) + 1
        try:
            api, asked = self.read(path, json.loads(body))
        except (wires.BadRequest, AssertionError, KeyError, ValueError, TypeError) as error:
            text = f"{type(error).__name__}: {error}"
            self.log.append({"path": path, "fault": "400", "said": text, "at": arrived})
            return 400, wires.openai_error(text, "invalid_request_error", None), {}
        if asked.model not in self.config.get("models", ["m"]):
            return (*self.no_model(asked.model, api == "gemini"), {})
        refused = refusals.refusal(api, asked, self.config)
        if refused is not None:
            self.log.append(
                {"path": path, "fault": "refused", "stage": stage_of(asked), "sent": sorted(asked.sent)}
            )
            return 400, refused, {}
        fault = self.model.fault(digest, times)
        record: dict[str, Any] = {
            "path": path,
            "api": api,
            "model": asked.model,
            "stage": stage_of(asked),
            "digest": digest,
            "question": hashlib.sha256(asked.prompt.split("## Your earlier")[0].encode()).hexdigest()[:16],
            "fault": fault,
            "at": arrived,
            "too_early": arrived < self.not_before.get(digest, 0.0),
            "temperature": asked.temperature,
            "max_output_tokens": asked.max_output_tokens,
            "fed_back": "## Your earlier answers" in asked.prompt,
            "images": [self.look(png) for png in asked.images] if self.config.get("decode") else [],
        }
        self.log.append(record)
        if fault in refusals.FOR_GOOD:
            return (*refusals.FOR_GOOD[fault](api), {"retry-after": "1"})
        if fault == "404":
            return (*self.no_model(asked.model, api == "gemini"), {})
        if fault == "429":
            return self.too_many(digest, api)
        if fault == "500":
            text = f"The server had an error. Key was {self.config['key']}"
            error = wires.gemini_error(500, text, "INTERNAL")
            return 500, error if api == "gemini" else wires.openai_error(text, "server_error", None), {}
        if fault == "hang":
            self.on_hang()
            await asyncio.Event().wait()
        if fault == "drop":
            return None
        if self.answered >= self.config.get("answers", math.inf):
            record["held"] = True
            await self.released.wait()
        if (words := self.config.get("holds")) and words in asked.prompt:
            record["held"] = True
            await self.all_released.wait()
        self.answered += 1
        await asyncio.sleep(self.config.get("latency", 0.0))
        if fault == "garbage":
            return 200, b"<html>upstream proxy</html>", {}
        record["answered"] = time.monotonic()
        return 200, wires.WRITERS[api](self.model.say(asked, fault)), {}

    def read(self, path: str, body: dict[str, Any]) -> tuple[str, wires.Asked]:
        if path == "/v1/chat/completions":
            return "openai-chat", wires.read_chat(body)
        if path == "/v1/responses":
            return "openai-responses", wires.read_responses(body)
        # v1 or v1beta, as the SDK's version likes
        model = path.rpartition("/models/")[2].removesuffix(":generateContent")
        return "gemini", wires.read_gemini(model, body)

    def too_many(self, digest: str, api: str) -> tuple[int, Body, dict[str, str]]:
        wait = self.config.get("retry_after", 1)
        self.not_before[digest] = time.monotonic() + wait
        if self.config.get("retry_form") == "date" and api != "gemini":
            until = math.ceil(time.time() + wait)
            self.not_before[digest] += until - time.time() - wait
            header = {"retry-after": email.utils.formatdate(until, usegmt=True)}
        else:
            header = {"retry-after": str(wait)}
        if api == "gemini":
            error = wires.gemini_error(429, "Resource has been exhausted", "RESOURCE_EXHAUSTED")
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait}s"}
            error["error"]["details"] = [info]
            return 429, error, {}
        return 429, wires.openai_error("Rate limit reached", "requests", "rate_limit_exceeded"), header

    def look(self, png: bytes) -> dict[str, Any]:
        image = Image.open(io.BytesIO(png))
        pixels = np.asarray(image.convert("RGB"), dtype=int)
        return {
            "format": image.format,
            "size": image.size,
            "sha": image_sha(image),
            "coloured": float((np.ptp(pixels, axis=-1) > 60).mean()),
        }
