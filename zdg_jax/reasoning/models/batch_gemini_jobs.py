"""Gemini's batch API by google-genai: questions travel inside a small job, in a file with a large one."""

from __future__ import annotations

import contextlib
import io
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
# Bytes of a job's answers, inside it and in a file: a thousand rows of hidden reasoning's worth.
_MOST_INSIDE, _MOST_ANSWERS = 256 << 20, 1 << 30
#: What a file of questions may be called; which of them the service takes has changed over time.
_JSONL = ("application/jsonl", "jsonl", "text/plain")
# Packed bodies are bounded far below what a job's answers take.
_PLAIN = types.HttpOptions(headers={"Accept-Encoding": "identity"})
_DOWNLOAD = types.DownloadFileConfig(http_options=_PLAIN)
#: google.rpc.Code, which rows speak in, as HTTP says it.
_HTTP = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 13: 500, 14: 503, 16: 401}


class GeminiJobs:
    """Implements `Jobs`."""

    most_rows = 1000
    most_bytes = 180 << 20  # the provider takes files of 2 GB; while they are sent they are held here
    most_inside = 18 << 20
    """Bytes that travel inside a job, of which the provider takes 20 MB."""

    def __init__(self, wire: Gemini) -> None:
        """Args: wire: whose client and questions are used."""
        self._wire = wire
        transport = _Readable(wire.settings.connect_timeout_s)
        self._http = httpx2.AsyncClient(transport=transport, **guards(_MOST_ANSWERS))
        client = wire.connect(self._http).aio
        self._batches, self._files = client.batches, client.files
        self._kinds = list(_JSONL)

    def line(self, key: str, request: WireRequest) -> types.InlinedRequest:
        """One question of a job."""
        return types.InlinedRequest(
            contents=[self._wire.content(request)],
            config=self._wire.config(request),
            metadata={_KEY: key},
        )

    async def prepare(
        self, lines: Sequence[types.InlinedRequest]
    ) -> list[types.InlinedRequest] | types.BatchJobSource | Fault:
        """Upload what is too much to go with the job."""
        body = b"".join(map(_in_file, lines))
        return list(lines) if len(body) <= self.most_inside else await self._uploaded(body)

    async def _uploaded(self, body: bytes) -> types.BatchJobSource | Fault:
        said: types.File | Fault = plain_fault(FaultKind.GARBLED, "no file")
        for kind in tuple(self._kinds):
            # Without our address the SDK would send the pictures to wherever the server's reply points.
            ours = types.HttpOptions(base_url=self._wire.url)
            config = types.UploadFileConfig(mime_type=kind, display_name="questions", http_options=ours)
            said = await self._wire.caught(self._sent(body, config), TRANSFER_S)
            if not isinstance(said, Fault) or "mime" not in said.detail.lower():
                break
            self._kinds.remove(kind)
            self._kinds.append(kind)  # first is what is taken
        if isinstance(said, Fault):
            return said
        if not said.name:
            return plain_fault(FaultKind.GARBLED, "the body is no file")
        return types.BatchJobSource(file_name=said.name)

    async def _sent(self, body: bytes, config: types.UploadFileConfig) -> types.File:
        try:
            return await self._files.upload(file=io.BytesIO(body), config=config)
        except KeyError as error:  # no address to upload to, or no file in the end
            raise ValueError(f"the body has no {error}") from error

    async def create(
        self, token: str, prepared: list[types.InlinedRequest] | types.BatchJobSource
    ) -> str | Fault:
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
        inside, file = (job.dest.inlined_responses, job.dest.file_name) if job.dest else (None, None)
        if job.state is types.JobState.JOB_STATE_SUCCEEDED and not (inside or file):
            return plain_fault(FaultKind.GARBLED, f"batch job {number} succeeded and has no rows")
        rows: dict[str, Reply | Fault] = {}
        for row in inside or ():
            key = (row.metadata or {}).get(_KEY)
            if key:
                error = row.error or types.JobError()
                fault = _fault(error.code, error.message)
                rows[key] = self._wire.reply(row.response) if row.response else fault
        if file:
            said = await self._wire.caught(self._files.download(file=file, config=_DOWNLOAD), TRANSFER_S)
            if isinstance(said, Fault):
                return unknown_job(number, said)
            rows |= dict(filter(None, map(self._line_of_file, said.split(b"\n"))))
        return Ended(rows, _rest(number, job.state))

    def _line_of_file(self, line: bytes) -> tuple[str, Reply | Fault] | None:
        """A line of the file of answers; None for what is none."""
        try:
            said = json.loads(line) if line.strip() else {}
            key, response = said.get(_KEY), said.get("response")
            if not isinstance(key, str):
                return None
            if response:
                # As the SDK reads what is inside a job: without the fields that it does not know.
                return key, self._wire.reply(
                    types.GenerateContentResponse._from_response(response=response, kwargs={})
                )
            error = said.get("error") or said.get("status") or {}
            return key, _fault(error.get("code"), error.get("message"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            _log.warning("a line of a batch job that can't be read")
            return None

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
        packed = response.headers.get("content-encoding", "identity") != "identity"
        if packed or request.method != "GET" or request.url.path.endswith(":download"):
            return response
        body = b"".join([chunk async for chunk in Bounded(response.stream, _MOST_INSIDE)])
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


def _in_file(line: types.InlinedRequest) -> bytes:
    """A line of the file of questions, in REST's JSON: the SDK writes that only for what is inside a job."""
    plain: dict[str, Any] = {"mode": "json", "by_alias": True, "exclude_none": True}
    said = line.model_dump(**plain, exclude={"config": {"automatic_function_calling"}})
    request = {"contents": said["contents"], "generationConfig": said["config"]}
    return json.dumps({_KEY: said["metadata"][_KEY], "request": request}).encode() + b"\n"


def _fault(code: int | None, message: str | None) -> Fault:
    """Of a row, whose error is a google.rpc.Status."""
    code = code or 13
    said = f"batch row: {message or 'no reason given'}"
    return http_fault(_HTTP.get(code, code if code >= 400 else 500), said, {})


def _marked(token: str) -> str:
    return f"{TOKEN_KEY}-{token}"


def _rest(number: str, state: types.JobState | None) -> Fault:
    """What is said of questions without a row."""
    if state is types.JobState.JOB_STATE_CANCELLED:  # by a person, whose will it is
        return plain_fault(FaultKind.REJECTED, f"batch job {number} was cancelled")
    said = state.name.removeprefix("JOB_STATE_").lower() if state else "ended"
    return plain_fault(FaultKind.UNAVAILABLE, f"batch job {number} {said} without a row for it")
