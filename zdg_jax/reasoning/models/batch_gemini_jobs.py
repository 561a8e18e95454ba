"""Gemini's batch API through google-genai; questions and answers travel inside the job."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Sequence
from typing import Any

import httpx2
from google.genai import types

from zdg_jax.reasoning.models.batch_book import (
    PAGE,
    TOKEN_KEY,
    TRANSFER_S,
    Ended,
    among_newest,
    no_batch_api,
    unknown_job,
)
from zdg_jax.reasoning.models.bodies import Bounded, guards
from zdg_jax.reasoning.models.exchange import Fault, FaultKind, Reply, WireRequest
from zdg_jax.reasoning.models.faults import http_fault, plain_fault
from zdg_jax.reasoning.models.gemini_wire import ConnectLimit, Gemini

_log = logging.getLogger(__name__)
_KEY = "key"  # of a row's metadata
_ENDED = frozenset(
    {
        types.JobState.JOB_STATE_SUCCEEDED,
        types.JobState.JOB_STATE_PARTIALLY_SUCCEEDED,
        types.JobState.JOB_STATE_FAILED,
        types.JobState.JOB_STATE_CANCELLED,
        types.JobState.JOB_STATE_EXPIRED,
    }
)
_MOST_ANSWERS = 256 << 20  # bytes
# Packed bodies are bounded far below what a job's answers take.
_PLAIN = types.HttpOptions(headers={"Accept-Encoding": "identity"})
#: google.rpc.Code, which rows speak in, as HTTP says it.
_HTTP = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 13: 500, 14: 503, 16: 401}


class GeminiJobs:
    """Implements `Jobs`."""

    most_rows = 1000
    most_bytes = 18 << 20  # the provider takes 20 MB inside a job

    def __init__(self, wire: Gemini) -> None:
        """Args: wire: whose client and questions are used."""
        self._wire = wire
        transport = _Readable(wire.settings.connect_timeout_s)
        self._http = httpx2.AsyncClient(transport=transport, **guards(_MOST_ANSWERS))
        self._batches = wire.connect(self._http).aio.batches

    def line(self, key: str, request: WireRequest) -> types.InlinedRequest:
        """One question of a job."""
        return types.InlinedRequest(
            contents=[self._wire.content(request)],
            config=self._wire.config(request),
            metadata={_KEY: key},
        )

    async def prepare(self, lines: Sequence[types.InlinedRequest]) -> list[types.InlinedRequest]:
        """Nothing to bring: they go with the job."""
        return list(lines)

    async def create(self, token: str, prepared: list[types.InlinedRequest]) -> str | Fault:
        """One job, marked by its name."""
        name = _marked(token)
        config = types.CreateBatchJobConfig(display_name=name)
        job = await self._wire.caught(
            self._batches.create(model=self._wire.model, src=prepared, config=config), TRANSFER_S
        )
        if isinstance(job, Fault):
            return job
        if not job.name:
            return plain_fault(FaultKind.GARBLED, "the body is no batch job")
        if job.display_name != name:
            _log.warning("%s keeps no names of jobs: one is lost if this is killed now", self._wire.address)
        return job.name

    async def find(self, token: str) -> str | Fault | None:
        """By its name among the newest thousand."""

        async def found() -> str | None:
            listed = await self._batches.list(config={"page_size": PAGE})
            job = await among_newest(listed, lambda job: job.display_name == _marked(token))
            return None if job is None else job.name

        return await self._wire.caught(found())

    async def look(self, number: str) -> Ended | Fault | None:
        """Its state, and its rows once it has ended."""
        config = types.GetBatchJobConfig(http_options=_PLAIN)
        job = await self._wire.caught(self._batches.get(name=number, config=config), TRANSFER_S)
        if isinstance(job, Fault):
            return unknown_job(number, job)
        if job.state not in _ENDED:
            return None
        given = job.dest.inlined_responses if job.dest else None
        if job.state is types.JobState.JOB_STATE_SUCCEEDED and not given:
            return plain_fault(FaultKind.GARBLED, f"batch job {number} succeeded and has no rows")
        rows: dict[str, Reply | Fault] = {}
        for row in given or ():
            key = (row.metadata or {}).get(_KEY)
            if key:
                rows[key] = self._row(row)
        return Ended(rows, _rest(number, job.state))

    def _row(self, row: types.InlinedResponse) -> Reply | Fault:
        if row.response is not None:
            return self._wire.reply(row.response)
        code = (row.error.code if row.error else None) or 13
        said = str((row.error.message if row.error else None) or "no reason given")
        return http_fault(_HTTP.get(code, code if code >= 400 else 500), f"batch row: {said}", {})

    async def probe(self) -> Fault | None:
        """List one job."""

        async def listed() -> None:
            await self._batches.list(config={"page_size": 1})

        fault = await self._wire.caught(listed(), self._wire.settings.connect_timeout_s)
        return no_batch_api(fault) if isinstance(fault, Fault) else None

    async def close(self) -> None:
        await self._http.aclose()


class _Readable(ConnectLimit):
    """Leaves the details of rows' errors out: the SDK takes text there, the service's protocol has objects,
    and a job with one such row could not be read at all."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if request.method != "GET" or response.headers.get("content-encoding", "identity") != "identity":
            return response
        body = b"".join([chunk async for chunk in Bounded(response.stream, _MOST_ANSWERS)])
        await response.aclose()
        with contextlib.suppress(ValueError, RecursionError):  # what is no JSON is for the SDK to say
            body = json.dumps(_without_details(json.loads(body))).encode()
        headers = {
            k: v for k, v in response.headers.items() if k not in ("content-length", "transfer-encoding")
        }
        return httpx2.Response(response.status_code, headers=headers, content=body)


def _without_details(said: Any) -> Any:
    """JSON, in which no error has details; whether a request is to wait is not said there for jobs."""
    if isinstance(said, list):
        return [_without_details(each) for each in said]
    if not isinstance(said, dict):
        return said
    kept = {name: _without_details(value) for name, value in said.items()}
    if isinstance(kept.get("error"), dict):
        kept["error"].pop("details", None)
    return kept


def _marked(token: str) -> str:
    return f"{TOKEN_KEY}-{token}"


def _rest(number: str, state: types.JobState | None) -> Fault:
    """What is said of questions without a row."""
    if state is types.JobState.JOB_STATE_CANCELLED:  # by a person, whose will it is
        return plain_fault(FaultKind.REJECTED, f"batch job {number} was cancelled")
    said = state.name.removeprefix("JOB_STATE_").lower() if state else "ended"
    return plain_fault(FaultKind.UNAVAILABLE, f"batch job {number} {said} without a row for it")
