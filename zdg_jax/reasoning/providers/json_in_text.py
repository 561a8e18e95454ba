"""The JSON object in what a model wrote around it."""

from __future__ import annotations

import json

_DECODER = json.JSONDecoder()


def last_object(text: str) -> str | None:
    """The last whole JSON object in a text, as it stands there; None if there is none.

    Small models greet, think aloud, repeat the schema and fence their answer; the answer comes last.

    Args:
      text: what the model wrote.
    """
    found, place = None, text.find("{")
    while place >= 0:
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (json.JSONDecodeError, RecursionError):
            place = text.find("{", place + 1)
            continue
        if isinstance(value, dict):
            found = text[place:end]
        place = text.find("{", end)
    return found
