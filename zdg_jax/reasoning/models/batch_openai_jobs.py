"""OpenAI's batch API, for responses and chat completions, through its SDK."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import httpx2
import openai
from openai.types import Batch

from zdg_jax.reasoning.models.batch_book import (
    PAGE,
    TOKEN_KEY,
    TRANSFER_S,
    Ended,
    among_newest,
    no_batch_api,
    unknown_job,
)
from zdg_jax.reasoning.models.bodies import guards
from zdg_jax.reasoning.models.exchange import Fault, FaultKind, Reply, WireRequest
from zdg_jax.reasoning.models.faults import http_fault, plain_fault
from zdg_jax.reasoning.models.openai_wire import OpenAIChat, OpenAIResponses

_log = logging.getLogger(__name__)
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_MOST_ANSWERS = 1 << 30  # bytes of a job's answers: a thousand rows of hidden reasoning's worth
# Packed bodies are bounded far below what a file of answers takes.
_PLAIN = {"Accept-Encoding": "identity"}


class OpenAIJobs:
    """Implements `Jobs`."""

    most_rows = 1000
    most_bytes = 180 << 20  # the provider takes 200 MB

    def __init__(self, wire: OpenAIChat | OpenAIResponses) -> None:
        """Args: wire: whose client and bodies are used."""
        self._wire = wire
        self._client: openai.AsyncOpenAI = wire.client.with_options(
            http_client=openai.DefaultAsyncHttpxClient(**guards(_MOST_ANSWERS)),
            timeout=httpx2.Timeout(TRANSFER_S, connect=wire.settings.connect_timeout_s),
        )

    def line(self, key: str, request: WireRequest) -> bytes:
        """One line of the file of questions."""
        body = self._wire.body(request)
        asked = {"custom_id": key, "method": "POST", "url": self._wire.endpoint, "body": body}
        return json.dumps(asked).encode() + b"\n"

    async def prepare(self, lines: Sequence[bytes]) -> str | Fault:
        """Upload the file."""
        made = self._client.files.create(file=("questions.jsonl", b"".join(lines)), purpose="batch")
        file = await self._wire.caught(made, TRANSFER_S)
        return file if isinstance(file, Fault) else str(file.id)

    async def create(self, token: str, prepared: str) -> str | Fault:
        """One job of the file."""
        batch = await self._wire.caught(
            self._client.batches.create(
                completion_window="24h",
                endpoint=self._wire.endpoint,
                input_file_id=prepared,
                metadata={TOKEN_KEY: token},
            )
        )
        if isinstance(batch, Fault):
            return batch
        if not isinstance(batch, Batch) or not batch.id:
            return plain_fault(FaultKind.GARBLED, "the body is no batch")
        if not _carries(batch, token):
            _log.warning("%s keeps no metadata: a job is lost if this is killed now", self._wire.address)
        return batch.id

    async def find(self, token: str) -> str | Fault | None:
        """By its metadata among the newest thousand."""

        async def found() -> str | None:
            listed = self._client.batches.list(limit=PAGE)
            batch = await among_newest(listed, lambda batch: _carries(batch, token))
            return None if batch is None else batch.id

        return await self._wire.caught(found())

    async def look(self, number: str) -> Ended | Fault | None:
        """Its state, and both files once it has ended."""
        batch = await self._wire.caught(self._client.batches.retrieve(number))
        if isinstance(batch, Fault):
            return unknown_job(number, batch)
        if batch.status not in _ENDED:
            return None
        rows: dict[str, Reply | Fault] = {}
        files = [file for file in (batch.output_file_id, batch.error_file_id) if file]
        if batch.status == "completed" and not files:
            return plain_fault(FaultKind.GARBLED, f"batch job {number} is completed and names no file")
        for file in files:
            said = await self._wire.caught(self._content(file), TRANSFER_S)
            if isinstance(said, Fault):
                return unknown_job(number, said)
            rows |= dict(filter(None, map(self._row, said.split(b"\n"))))
        return Ended(rows, _rest(batch))

    async def _content(self, file: str) -> bytes:
        return (await self._client.files.content(file, extra_headers=_PLAIN)).content

    def _row(self, line: bytes) -> tuple[str, Reply | Fault] | None:
        """A line of either file; None for what is none."""
        try:
            said = json.loads(line) if line.strip() else {}
            key, response, error = said.get("custom_id"), said.get("response"), said.get("error")
            if not isinstance(key, str):
                return None
            if not response:
                # Expired, or never run: the job's time is over, not the question's. Cancelled: by a person.
                cancelled = "cancel" in str((error or {}).get("code"))
                kind = FaultKind.REJECTED if cancelled else FaultKind.UNAVAILABLE
                return key, plain_fault(kind, f"batch row: {_words(error)}")
            if response["status_code"] == 200:
                return key, self._wire.reply(self._wire.shape.construct(**response["body"]))
            error = (response.get("body") or {}).get("error") or {}
            code, param = str(error.get("code") or ""), str(error.get("param") or "")
            return key, http_fault(int(response["status_code"]), _words(error), {}, code, param)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            _log.warning("a line of a batch job that can't be read")
            return None

    async def probe(self) -> Fault | None:
        """List one job."""
        client = self._client.with_options(timeout=self._wire.settings.connect_timeout_s)

        async def listed() -> None:
            await client.batches.list(limit=1)

        fault = await self._wire.caught(listed(), self._wire.settings.connect_timeout_s)
        return no_batch_api(fault) if isinstance(fault, Fault) else None

    async def close(self) -> None:
        await self._client.close()


def _carries(batch: Batch, token: str) -> bool:
    return (batch.metadata or {}).get(TOKEN_KEY) == token


def _rest(batch: Batch) -> Fault:
    """What is said of questions without a line."""
    if batch.status == "cancelled":  # by a person, whose will it is
        return plain_fault(FaultKind.REJECTED, f"batch job {batch.id} was cancelled")
    if batch.status == "expired":
        return plain_fault(FaultKind.UNAVAILABLE, f"batch job {batch.id} expired")
    if batch.status == "completed":
        return plain_fault(FaultKind.UNAVAILABLE, f"batch job {batch.id} has no line for it")
    errors = (batch.errors.data if batch.errors else None) or []
    if not errors:
        return plain_fault(FaultKind.UNAVAILABLE, f"batch job {batch.id} failed without a word")
    code, said = errors[0].code or "", f"batch job {batch.id}: {errors[0].message or errors[0].code}"
    if "billing" in code or code == "insufficient_quota":
        return http_fault(429, said, {}, "insufficient_quota")
    # All questions are alike: what is wrong with one is wrong with all. A full queue passes.
    return http_fault(429 if "limit" in code else 400, said, {}, code, errors[0].param or "")


def _words(error: Any) -> str:
    if not isinstance(error, dict):
        return "no reason given"
    return str(error.get("message") or error.get("code") or "no reason given")
