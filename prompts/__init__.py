"""Prompt templates and answer schemas of the reasoning stages (III-A to III-C) and of the judge (IV-A)."""

from __future__ import annotations

from prompts.render import TEMPLATE_FOLDER, answer_schema, example, render, version
from prompts.schemas import PROMPTS, STAGES, Stage

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
