"""Answers from files: records of earlier runs (`replay:FILE`) and labels that people made (`oracle:FILE`)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

import prompts
from zdg_jax.errors import UserError
from zdg_jax.foreign import MIB, load_yaml, parse_json, read_text
from zdg_jax.reasoning.models.exchange import prompt_sha
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError, UnusableAnswer, image_sha
from zdg_jax.status import Status

A = TypeVar("A", bound=BaseModel)
_BLIND = "offline"  # how the names of reasoners that look at no picture begin


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
        self._asked: dict[tuple[str, str], dict[tuple[str, ...], list[dict[str, Any]]]] = {}
        file, who = Path(path).expanduser(), set[str]()
        try:
            file.stat()  # a missing file says so in the system's words
            for stage in _stages(file):
                sha = hashlib.sha256(stage["prompt"].encode()).hexdigest()
                seen = self._asked.setdefault((stage["stage"], sha), {})
                seen.setdefault(tuple(stage["image_sha"]), []).extend(stage["attempts"])
                calls = [attempt["call"] for attempt in stage["attempts"] if attempt["call"]]
                who |= {str(call.get("provider")) for call in calls}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"replay file {path} ({getattr(error, 'strerror', None) or 'no record of a run'})",
                "the trace.json of a run, or a JSONL file of traces",
                "name another file after replay:",
            ) from None
        if not self._asked:
            raise UserError(f"replay file {path} without any stage", "recorded stages", "name another file")
        # The pictures that a blind answerer's trace names are those drawn for who does not look.
        self.looks = not who or any(not name.startswith(_BLIND) for name in who)

    async def ask(self, question: Question[A]) -> Answer[A]:
        """The recorded answer.

        Raises:
          UnusableAnswer: the recorded attempt was none.
          ReasonerError: `not_recorded`, or the recorded failure.
        """
        started = time.perf_counter()
        attempts = self._recorded(question)
        place = len(question.feedback)
        if place >= len(attempts):
            raise ReasonerError(
                Status.NOT_RECORDED,
                f"{self.name} has no answer number {place + 1} to this question of stage {question.stage}: "
                "the object, the task, the prompts or an earlier answer differ from the recorded run",
            )
        record = attempts[place]
        if record.get("answer") is None:
            status, why = (
                record.get("status") or Status.PROVIDER_INVALID,
                record.get("refused") or "no answer",
            )
            kind = UnusableAnswer if place + 1 < len(attempts) else ReasonerError
            raise kind(status, str(why))
        try:
            value = question.schema.model_validate(record["answer"])
        except ValidationError:
            raise ReasonerError(
                Status.NOT_RECORDED, f"{self.name}: the recorded answer has another form"
            ) from None
        return Answer(value, call=_call(question, record, self.name, time.perf_counter() - started))

    def _recorded(self, question: Question[Any]) -> list[dict[str, Any]]:
        """What was answered to this prompt with these pictures, or with as many of them as were drawn.

        Who looks at no picture is shown fewer (`ReasonState.looked_at`) or none (`draw=False`).
        """
        asked = self._asked.get((question.stage, prompt_sha(question)), {})
        shown = {image_sha(image) for image in question.images}
        return asked[max(fits, key=len)] if (fits := [p for p in asked if shown.issuperset(p)]) else []


class _Attempt(BaseModel):
    """One asking and what became of it."""

    answer: dict[str, Any] | None = None
    refused: str | None = None
    status: str | None = None
    call: dict[str, Any] | None = None


class _Stage(BaseModel):
    """What of a recorded stage is read."""

    stage: str
    prompt: str
    image_sha: list[str] = []
    attempts: list[_Attempt]


def _stages(path: Path) -> Iterator[dict[str, Any]]:
    text = read_text(path, 512 * MIB)
    try:
        records = [parse_json(text, path.name)]
    except UserError:
        records = [parse_json(line, path.name) for line in text.splitlines() if line.strip()]
    for record in records:
        for stage in record.get("stages", [record]):
            yield _Stage.model_validate(stage).model_dump()


def _call(question: Question[Any], record: dict[str, Any], name: str, seconds: float) -> Call:
    kept = record.get("call") or {}
    known = {
        field: kept[field]
        for field in ("provider", "model", "input_tokens", "output_tokens")
        if field in kept and (isinstance(kept[field], str) or "tokens" in field)
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


ANY = "*"


def label_call(question: Question[Any], name: str) -> Call:
    """What is kept of an answer that was looked up: nothing was sent, nothing paid."""
    return Call(
        stage=question.stage, provider="oracle", model=name, prompt_sha=prompt_sha(question), attempts=0,
        input_tokens=0, output_tokens=0, cached_tokens=0, cost_usd=0.0,
    )  # fmt: skip


class OracleReasoner:
    """Looks answers up by object name, task and stage; `*` stands for any name or any task.

    The file is YAML or JSON: `{object name: {task: {stage: {field: value}}}}`, without `reasoning`. Most
    often only some stages are labelled and routed here. Implements `Reasoner`.
    """

    def __init__(self, path: str) -> None:
        """Args: path: the file.

        Raises:
          UserError: it can't be read, or is of another form.
        """
        self.name = f"oracle:{path}"
        try:
            self._labels = _checked(load_yaml(Path(path).expanduser()))
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise UserError(
                f"label file {path} ({said})",
                "YAML or JSON: {object name: {task: {stage: {field: value}}}}",
                "mend it, or name another file after oracle:",
            ) from None

    async def ask(self, question: Question[A]) -> Answer[A]:
        """The label; a label that was refused is not given again.

        Raises:
          ReasonerError: `not_recorded`, or `invalid_answer` for a label that does not fit.
        """
        label = self._label(question)
        if label is None:
            raise ReasonerError(
                Status.NOT_RECORDED,
                f"{self.name} has no label of stage {question.stage} for "
                f"{question.observations.object_name!r} and {question.observations.task!r}",
            )
        if question.feedback:
            reason = f"the label {label} was refused: {question.feedback[-1]}"
            raise ReasonerError(Status.INVALID_ANSWER, reason)
        try:
            value = question.schema.model_validate({"reasoning": "label", **label})
        except ValidationError as error:
            said = error.errors(include_url=False)[0]
            reason = f"the label {label} does not fit: {said['loc']}: {said['msg']}"
            raise ReasonerError(Status.INVALID_ANSWER, reason) from None
        return Answer(value, call=label_call(question, self.name))

    def _label(self, question: Question[Any]) -> dict[str, Any] | None:
        for name in (question.observations.object_name or ANY, ANY):
            tasks = self._labels.get(name, {})
            for task in (question.observations.task, ANY):
                if question.stage in tasks.get(task, {}):
                    return tasks[task][question.stage]
        return None


def _checked(labels: Any) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    for name, tasks in _mapping(labels, "the file").items():
        for task, stages in _mapping(tasks, f"object {name!r}").items():
            for stage, answer in _mapping(stages, f"task {task!r}").items():
                if stage not in prompts.STAGES:
                    raise ValueError(f"unknown stage {stage!r}; stages are {', '.join(prompts.STAGES)}")
                _mapping(answer, f"stage {stage!r}")
    return labels


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} holds {type(value).__name__}, not a mapping")
    if strange := [key for key in value if not isinstance(key, str)]:
        raise ValueError(f"{what} has the name {strange[0]!r}, which is no text: put it between quotes")
    return value
