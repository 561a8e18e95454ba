"""Prompt templates and answer schemas of the reasoning stages (III-A to III-C) and of the judge (IV-A)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import FunctionLoader, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompts.schemas import ANSWERS, PROMPTS, STAGES, Stage, StageAnswer

__all__ = [
    "PROMPTS",
    "STAGES",
    "TEMPLATE_FOLDER",
    "Stage",
    "answer_schema",
    "example",
    "render",
    "version",
]


# Rendering of a stage's prompt: sandboxed, strict, user text quoted as data.
TEMPLATE_FOLDER = Path(__file__).parent / "templates"
_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)


@dataclass(frozen=True)
class Template:
    """One file of `templates/`.

    Attributes:
      version: rises when the wording changes.
      text: the Jinja source.
      example: `case` and `answer` of the worked example; empty in a fragment that others include.
    """

    version: int
    text: str
    example: Mapping[str, Any]


def answer_schema(stage: str) -> type[StageAnswer]:
    """The pydantic class that the stage's answer must fit.

    Args:
      stage: one of `PROMPTS`.
    Raises:
      KeyError: for an unknown stage.
    """
    return ANSWERS[stage]


def version(stage: str) -> int:
    """Version of the stage's template, from its front matter; it rises when the wording changes."""
    return read(f"{stage}.md.j2").version


def example(stage: str) -> StageAnswer:
    """The worked example's answer, checked against the stage's class.

    Raises:
      KeyError: for an unknown stage.
      pydantic.ValidationError: for an example that the class refuses.
    """
    return answer_schema(stage).model_validate(read(f"{stage}.md.j2").example["answer"])


def render(stage: str, **values: object) -> str:
    """The stage's prompt as text, a worked example and the JSON schema of its answer included (DESIGN §2).

    User text must reach a template through `| quoted` only: it becomes one JSON string, in which
    neither a line break nor an angle bracket can end the quotation.

    Args:
      stage: one of `PROMPTS`.
      **values: what the template names; a missing name raises.
    Returns:
      the prompt, ending with one line break.
    Raises:
      KeyError: for an unknown stage.
      jinja2.UndefinedError: for a value that the template names and the caller did not give.
    """
    schema = answer_schema(stage).model_json_schema()
    template = _environment().get_template(f"{stage}.md.j2")
    text = template.render(
        **values,
        answer_schema=json.dumps(schema, indent=2, ensure_ascii=False),
        example_case=read(f"{stage}.md.j2").example["case"],
        # In the class's order of fields: reasoning first.
        example_answer=json.dumps(example(stage).model_dump(mode="json"), ensure_ascii=False),
    )
    return text.strip() + "\n"


def quoted(text: str | Undefined) -> str:
    """User text as one JSON string that cannot close a tag or start a new line; an undefined one raises."""
    escaped = json.dumps(str(text), ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")
    # JSON leaves these two raw; some readers take them for line breaks.
    return escaped.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("`", "\\u0060")


@cache
def read(file_name: str) -> Template:
    """A template's front matter and text.

    Raises:
      ValueError: for a front matter that gives no version.
    """
    text = (TEMPLATE_FOLDER / file_name).read_text(encoding="utf-8")
    match = _FRONT_MATTER.match(text)
    front = yaml.safe_load(match.group(1)) if match else None
    if match is None or not isinstance(front, dict) or not isinstance(front.get("version"), int):
        raise ValueError(f"prompt template {file_name} must start with a front matter that gives its version")
    return Template(front["version"], text[match.end() :], front.get("example", {}))


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: read(name).text),
        undefined=StrictUndefined,
        autoescape=False,  # prompts are plain text; user text goes through `quoted`
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = quoted
    return environment
