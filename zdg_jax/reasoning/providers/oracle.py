"""Answers from labels that people made: `oracle:FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

import prompts
from zdg_jax.errors import UserError
from zdg_jax.reasoning.protocol import Answer, Call, Question, ReasonerError
from zdg_jax.reasoning.providers.asking import prompt_sha
from zdg_jax.reasoning.status import Status

A = TypeVar("A", bound=BaseModel)
ANY = "*"


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
            self._labels = _checked(yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValueError) as error:
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
                f"{self.name} has no label of stage {question.stage} for {question.facts.object_name!r} and "
                f"{question.facts.task!r}",
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
        call = Call(
            stage=question.stage,
            provider="oracle",
            model=self.name,
            prompt_sha=prompt_sha(question),
            attempts=0,
            input_tokens=0,
            output_tokens=0,
            cached_tokens=0,
            cost_usd=0.0,
        )
        return Answer(value, call=call)

    def _label(self, question: Question[Any]) -> dict[str, Any] | None:
        for name in (question.facts.object_name or ANY, ANY):
            tasks = self._labels.get(name, {})
            for task in (question.facts.task, ANY):
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
    return value
