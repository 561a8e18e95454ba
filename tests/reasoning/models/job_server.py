"""The batch APIs of the local server: OpenAI's files and batches, Gemini's jobs with rows inside or in files.

Its configuration, besides the server's own: `jobs_end` (jobs that end by themselves; later ones stay under
way until the server is released), `stalls` (numbers of jobs, from 1, that are accepted while the reply never
comes), `drops` (those whose connection is closed instead), `ends` (states in which the next jobs end),
`no_jobs` (there is no batch API). What comes over a question is drawn as for the server: rows know `expired`,
`lost`, `half` (a line), `500` and `429` too. Every accepted question is logged with its key. `takes` are the
kinds of files that Gemini's upload takes, `gone` says that its files of answers are not there any more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.reasoning.models import refusals
from tests.reasoning.models import wire_formats as wires
from tests.reasoning.models.model import ScriptedModel, stage_of

Body = dict[str, Any] | bytes
Said = tuple[int, Body, dict[str, str]]
Read = Callable[[str, dict[str, Any]], tuple[str, wires.Asked]]


@dataclass
class Job:
    number: str
    mark: Any
    questions: list[tuple[str, str, wires.Asked]]
    endpoint: str = ""
    end: str = "completed"
    rows: list[Any] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False
    by_file: bool = False


class Jobs:
    def __init__(
        self,
        config: dict[str, Any],
        model: ScriptedModel,
        log: list[dict[str, Any]],
        released: asyncio.Event,
        read: Read,
    ) -> None:
        """Args: those of the server; `read` is how it reads a question."""
        self.config, self.model, self.log, self.released, self.read = config, model, log, released, read
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[int, str]] = {}
        self.jobs: dict[str, Job] = {}

    def concerns(self, path: str) -> bool:
        return bool(re.search(r"/(files|batches)\b|:batchGenerateContent$|^/uploading/", path))

    async def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Said | None:
        gemini = "x-goog-api-key" in headers
        if self.config.get("no_jobs"):
            return 404, wires.openai_error("Not Found", "invalid_request_error", None), {}
        self.log.append({"path": path, "method": method, "fault": None, "at": time.monotonic()})
        if path.startswith(("/upload/", "/uploading/")):
            return self.uploaded(path, headers, body)
        if path.endswith(":download"):
            return self.downloaded(path)
        if path.endswith("/files"):
            number = f"file-{len(self.files)}"
            self.files[number] = _part(headers["content-type"], body)
            record = {"id": number, "object": "file", "bytes": 1, "created_at": 1, "purpose": "batch"}
            return 200, {**record, "filename": "questions.jsonl", "status": "processed"}, {}
        if path.endswith("/content"):
            return 200, self.files[path.split("/")[-2]], {}
        if method == "POST":
            return await self.created(path, json.loads(body), gemini)
        name = path.rpartition("/batches")[2].strip("/")
        if not name:
            listed = [self.shown(job, gemini) for job in reversed(self.jobs.values())]
            return 200, {"operations": listed} if gemini else {"object": "list", "data": listed}, {}
        if name not in self.jobs:
            missing = wires.openai_error(f"No batch found with id '{name}'.", "invalid_request_error", None)
            return 404, wires.gemini_error(404, "not found", "NOT_FOUND") if gemini else missing, {}
        self.work(self.jobs[name], gemini)
        return 200, self.shown(self.jobs[name], gemini), {}

    def uploaded(self, path: str, headers: dict[str, str], body: bytes) -> Said:
        """Gemini's resumable protocol: an address for the file, then its pieces."""
        about = {k.removeprefix("x-goog-upload-"): v for k, v in headers.items() if "x-goog-upload" in k}
        if path.startswith("/upload/"):
            assert (about["protocol"], about["command"]) == ("resumable", "start")
            said = json.loads(body)["file"]
            size, kind = int(about["header-content-length"]), about["header-content-type"]
            assert (int(said["size_bytes"]), said["mime_type"]) == (size, kind)  # as the SDK spells them
            number = f"in{len(self.uploads)}"
            self.uploads[number], self.files[number] = (size, kind), b""
            # Whoever follows this sends questions and pictures to a stranger.
            to = {"x-goog-upload-url": f"http://elsewhere.invalid/uploading/{number}"}
            return 200, {}, {**to, "x-goog-upload-status": "active"}
        number = path.rpartition("/")[2]
        assert int(about["offset"]) == len(self.files[number])
        self.files[number] += body
        size, kind = self.uploads[number]
        if about["command"] == "upload":
            return 200, {}, {"x-goog-upload-status": "active"}
        assert about["command"] == "upload, finalize"
        assert len(self.files[number]) == size
        final = {"x-goog-upload-status": "final"}
        if kind not in self.config.get("takes", ["application/jsonl"]):
            return 400, wires.gemini_error(400, f"Unsupported MIME type: {kind}", "INVALID_ARGUMENT"), final
        return 200, {"file": {"name": f"files/{number}", "mimeType": kind, "sizeBytes": str(size)}}, final

    def downloaded(self, path: str) -> Said:
        number = path.rpartition("/")[2].removesuffix(":download")
        if number in self.uploads or number not in self.files or self.config.get("gone"):
            return 404, wires.gemini_error(404, "not found", "NOT_FOUND"), {}
        return 200, self.files[number], {"content-type": "application/octet-stream"}

    async def created(self, path: str, said: dict[str, Any], gemini: bool) -> Said | None:
        number = f"batch_{len(self.jobs) + 1}"
        if gemini:
            model = path.rpartition("/models/")[2].removesuffix(":batchGenerateContent")
            batch = said["batch"]
            source = batch["inputConfig"]
            (by_file,) = (kind == "fileName" for kind in source)
            if by_file:
                lines = map(json.loads, self.files[source["fileName"].removeprefix("files/")].splitlines())
                rows = [(line.pop("key"), line.pop("request"), line) for line in lines]
            else:
                lines = source["requests"]["requests"]
                rows = [
                    (line["metadata"].pop("key"), line.pop("request"), line["metadata"]) for line in lines
                ]
            assert not any(rest for _, _, rest in rows)
            asked = [(key, f"/models/{model}:generateContent", body) for key, body, _ in rows]
            job = Job(number, batch["displayName"], [], by_file=by_file)
        else:
            assert said["completion_window"] == "24h"
            lines = [json.loads(line) for line in self.files[said["input_file_id"]].splitlines()]
            assert all(line["method"] == "POST" and line["url"] == said["endpoint"] for line in lines)
            asked = [(line["custom_id"], line["url"], line["body"]) for line in lines]
            job = Job(number, said["metadata"], [], said["endpoint"])
        for key, url, body in asked:
            api, question = self.read(url, body)
            job.questions.append((key, api, question))
        job.end = self.config["ends"].pop(0) if self.config.get("ends") else "completed"
        self.jobs[number] = job
        for key, api, question in job.questions:
            digest = hashlib.sha256(repr(question).encode()).hexdigest()
            self.log.append(
                {"accepted": key, "job": number, "api": api, "of": stage_of(question), "said": digest}
            )
        if len(self.jobs) in self.config.get("stalls", ()):
            self.log.append({"stalled": number})
            await asyncio.Event().wait()
        if len(self.jobs) in self.config.get("drops", ()):
            return None
        return 200, self.shown(job, gemini), {}

    def work(self, job: Job, gemini: bool) -> None:
        """End a job, if it may."""
        place = list(self.jobs).index(job.number)
        if job.ended or not (self.released.is_set() or place < self.config.get("jobs_end", math.inf)):
            return
        job.ended = True
        for key, api, asked in job.questions if job.end != "failed" else ():
            fault = self.model.fault(key, 1)
            refused = refusals.refusal(api, asked, self.config)
            if fault in ("lost", "half"):
                job.rows += ["half a line"] if fault == "half" else []
                continue
            if fault == "expired" or job.end in ("expired", "cancelled"):
                code = "batch_cancelled" if job.end == "cancelled" else "batch_expired"
                error = {"code": code, "message": "This request could not be executed."}
                if not gemini:
                    job.errors.append({"custom_id": key, "response": None, "error": error})
                continue
            status, body = 200, wires.WRITERS[api](self.model.say(asked, fault))
            if refused is not None:
                status, body = 400, refused
            elif fault in ("500", "429"):
                status, body = int(fault), wires.openai_error(f"{fault}, {self.config['key']}", "x", None)
            if gemini:
                of = {"key": key} if job.by_file else {"metadata": {"key": key}}
                code = {400: 3, 429: 8}.get(status, 13)
                error = {"code": code, "message": str(body), "details": [{"@type": "of a row"}]}
                said = {"response": {**body, "newField": 1}} if status == 200 else {"error": error}
                job.rows.append({**of, **said})
            else:
                response = {"status_code": status, "request_id": "r", "body": body}
                kept = job.rows if status == 200 else job.errors
                kept.append({"id": "x", "custom_id": key, "response": response, "error": None})
        job.rows.reverse()  # any order will do
        for name, rows in (("out", job.rows), ("err", job.errors)):
            self.files[name + job.number.removeprefix("batch_")] = "\n".join(map(json.dumps, rows)).encode()

    def shown(self, job: Job, gemini: bool) -> dict[str, Any]:
        place = job.number.removeprefix("batch_")
        if gemini:
            state = {"completed": "SUCCEEDED"}.get(job.end, job.end.upper()) if job.ended else "RUNNING"
            about: dict[str, Any] = {"displayName": job.mark, "state": f"BATCH_STATE_{state}"}
            if job.ended:
                inside = {"inlinedResponses": {"inlinedResponses": job.rows}}
                file = {"responsesFile": f"files/out{place}"} if job.rows else {}
                about["output"] = file if job.by_file else inside
            return {"name": f"batches/{job.number}", "metadata": about, "done": job.ended}
        wrong = {"code": "invalid", "message": "line 1 is wrong", "line": 1, "param": None}
        return {
            "id": job.number, "object": "batch", "endpoint": job.endpoint, "completion_window": "24h",
            "created_at": 1, "input_file_id": "file-0", "metadata": job.mark,
            "status": job.end if job.ended else "in_progress",
            "errors": {"object": "list", "data": [wrong]} if job.ended and job.end == "failed" else None,
            "output_file_id": f"out{place}" if job.rows else None,
            "error_file_id": f"err{place}" if job.errors else None,
        }  # fmt: skip


def _part(kind: str, body: bytes) -> bytes:
    """The file of a form, whose purpose must be `batch`."""
    mark = b"--" + re.search(r'boundary="?([^";]+)', kind)[1].encode()  # type: ignore[index]
    found = {}
    for part in body.split(mark)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        found[re.search(rb'name="(\w+)"', head)[1]] = content  # type: ignore[index]
    assert found[b"purpose"] == b"batch"
    return found[b"file"]
