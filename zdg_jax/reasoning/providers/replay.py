"""Answers from a record of an earlier run: `replay:FILE`."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from zdg_jax.errors import UserError
from zdg_jax.reasoning.picture_hash import image_sha
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError, UnusableAnswer
from zdg_jax.reasoning.providers.asking import prompt_sha
from zdg_jax.reasoning.status import Status

A = TypeVar("A", bound=BaseModel)


class ReplayReasoner:
    """Says again what a trace says: the n-th attempt to the n-th asking of the same prompt and pictures.

    Refusals and truncations are replayed too, so that a replayed run takes the same way. Needs no key and
    no network. Implements `Reasoner`.
    """

    def __init__(self, path: str) -> None:
        """Args: path: `trace.json`, or a JSONL file of traces or of single stages.

        Raises:
          UserError: it can't be read or holds no recorded stage.
        """
        self.name = f"replay:{path}"
        self._attempts: dict[str, list[dict[str, Any]]] = {}
        try:
            for stage in _stages(Path(path).expanduser()):
                self._attempts.setdefault(_key_of_record(stage), []).extend(stage["attempts"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"replay file {path} ({getattr(error, 'strerror', None) or 'no record of a run'})",
                "the trace.json of a run, or a JSONL file of traces",
                "name another file after replay:",
            ) from None
        if not self._attempts:
            raise UserError(f"replay file {path} without any stage", "recorded stages", "name another file")

    async def ask(self, question: Question[A]) -> Answer[A]:
        """The recorded answer.

        Raises:
          UnusableAnswer: the recorded attempt was none.
          ReasonerError: `not_recorded`, or the recorded failure.
        """
        started = time.perf_counter()
        attempts = self._attempts.get(_key(question.stage, prompt_sha(question), _pictures(question)))
        if attempts is None:
            attempts = self._attempts.get(_key(question.stage, prompt_sha(question), []), [])
        place = len(question.feedback)
        if place >= len(attempts):
            raise ReasonerError(
                Status.NOT_RECORDED,
                f"{self.name} has no answer number {place + 1} to this question of stage {question.stage}: "
                "the object, the task, the prompts or an earlier answer differ from the recorded run",
            )
        record = attempts[place]
        if record.get("answer") is None:
            status, why = record.get("status", Status.PROVIDER_INVALID), record.get("refused") or "no answer"
            kind = UnusableAnswer if place + 1 < len(attempts) else ReasonerError
            raise kind(status, str(why))
        try:
            value = question.schema.model_validate(record["answer"])
        except ValidationError:
            raise ReasonerError(
                Status.NOT_RECORDED, f"{self.name}: the recorded answer has another form"
            ) from None
        return Answer(value, call=_call(question, record, self.name, time.perf_counter() - started))


def _stages(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    try:
        records = [json.loads(text)]
    except json.JSONDecodeError:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    for record in records:
        yield from record.get("stages", [record])


def _pictures(question: Question[Any]) -> list[str]:
    return [image_sha(image) for image in question.images]


def _key_of_record(stage: dict[str, Any]) -> str:
    sha = hashlib.sha256(stage["prompt"].encode()).hexdigest()
    return _key(stage["stage"], sha, stage.get("image_sha", []))


def _key(stage: str, sha: str, pictures: list[str]) -> str:
    return " ".join([stage, sha, *pictures])


def _call(question: Question[Any], record: dict[str, Any], name: str, seconds: float) -> Call:
    kept = record.get("call") or {}
    known = {
        field: kept[field]
        for field in ("provider", "model", "input_tokens", "output_tokens")
        if field in kept
    }
    known |= {field: kept[field] for field in ("cached_tokens", "cost_usd") if field in kept}
    return Call(
        **{
            "stage": question.stage,
            "provider": "replay",
            "model": name,
            "prompt_sha": prompt_sha(question),
            **known,
            "attempts": 0,
            "latency_s": seconds,
        }
    )
