"""A model that a test scripts: what it says, and which faults come over it."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from tests.reasoning.models.wire_formats import Asked, Said

_CANDIDATES = re.compile(r"^Candidates[^:\n]*: (.+)\.$", re.MULTILINE)
_PAIR = re.compile(r"Pairs \(thumb and index\) that can: (\d+) and (\d+)")
_PANEL = re.compile(r"Panels where they are not: (\d+)")

REFUSAL = "I'm sorry, but I can't assist with that request."


def stage_of(asked: Asked) -> str:
    """hand_part from HandPartAnswer; without a schema, the question of `questions.py`."""
    title = asked.schema.get("title", "RotationAnswer").removesuffix("Answer")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", title).lower()


def sensible(asked: Asked) -> dict[str, Any]:
    """An answer among the prompt's candidates: the first, or what it was told can be: points, a panel."""
    candidates = _CANDIDATES.findall(asked.prompt)[-1].split(", ")
    first = candidates[0]
    stage = stage_of(asked)
    if stage == "points":
        told = _PAIR.findall(asked.prompt)
        thumb, index = told[-1] if told else (first, candidates[len(candidates) // 2])
        return {"thumb": int(thumb), "index": int(index)}
    serving = _PANEL.findall(asked.prompt)
    if stage == "rotation" and serving:
        return {"rotation": int(serving[-1])}
    return {
        "view": lambda: {"view": int(first)},
        "hand_part": lambda: {"parts": [int(first)]},
        "func_part": lambda: {
            "thumb_parts": [int(candidates[-1])],
            "thumb_name": "near side",
            "index_parts": [int(candidates[-1])],
            "index_name": "far side",
            "needs_points": len(candidates) > 1,
            "keep_free": [],
        },
        "direction": lambda: {"direction": first},
        "grasp_type": lambda: {"grasp_type": first},
        "rotation": lambda: {"rotation": int(first)},
    }[stage]()


def alien(asked: Asked) -> dict[str, Any]:
    """Fits the schema, and is no candidate."""
    values = sensible(asked)
    strange: dict[type, Any] = {int: 4711, str: "sideways-ish", list: [4711], bool: True}
    return {name: strange[type(value)] for name, value in values.items()}


class ScriptedModel:
    """Answers from a script by stage, the last entry for ever, or sensibly.

    Args:
      config: `script` {stage: [answer, ...]}, `faults` {name: probability}, `seed`, `answered_by`,
        `thinks` (output tokens that hidden reasoning takes).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.script = {stage: list(said) for stage, said in config.get("script", {}).items()}

    def fault(self, digest: str, time: int) -> str | None:
        """The fault that comes over the n-th request with this body; the same in every run."""
        planned = self.config.get("planned")
        if planned:
            return planned.pop(0)
        drawn = random.Random(f"{self.config.get('seed', 0)} {digest} {time}").random()
        for name, share in self.config.get("faults", {}).items():
            if drawn < share:
                return name
            drawn -= share
        return None

    def say(self, asked: Asked, fault: str | None) -> Said:
        by = self.config.get("answered_by", asked.model)
        if fault == "refusal":
            return Said(REFUSAL, "refusal", by)
        if fault == "filter":
            return Said("", "filter", by)
        limit = asked.max_output_tokens
        if limit is not None and limit < self.config.get("thinks", 0):  # and never comes to an answer
            return Said("", "length", by, output_tokens=limit, thinking_tokens=limit)
        if fault == "truncated":
            return Said('{"reasoning": "It is', "length", by)
        if fault == "empty":
            return Said("", "stop", by)
        if fault == "malformed":
            return Said('{"reasoning": "Because", "choice": ', "stop", by)
        if fault == "wrong_schema":
            return Said('{"thought": "Because"}', "stop", by)
        given = self.script.get(stage_of(asked))
        if fault == "alien":
            values = alien(asked)
        elif given:
            values = given.pop(0) if len(given) > 1 else given[0]
        else:
            values = sensible(asked)
        text = json.dumps({"reasoning": "Because people do so.", **values})
        return Said(f"```json\n{text}\n```" if fault == "fenced" else text, "stop", by)
