"""Prompt templates and answer schemas of the reasoning stages (paper III-A to III-C)."""

from __future__ import annotations

from prompts.render import STAGES, TEMPLATE_FOLDER, Stage, answer_schema, render, version

__all__ = ["STAGES", "TEMPLATE_FOLDER", "Stage", "answer_schema", "render", "version"]
