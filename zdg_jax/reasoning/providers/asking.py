"""From a question to what goes out, and to the key under which its answer is kept."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from functools import lru_cache
from typing import Any

from PIL import Image
from pydantic import BaseModel

from zdg_jax.reasoning.picture_hash import EncodedPicture, image_sha
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.providers.cache import key_of
from zdg_jax.reasoning.providers.wire import Wire, WireRequest

KEY_VERSION = 1
"""Raise it when the same question is put into other words below."""


def with_feedback(prompt: str, feedback: tuple[str, ...]) -> str:
    """The prompt, and why earlier answers to it were refused."""
    if not feedback:
        return prompt
    reasons = "\n".join(f"{number}. {reason}" for number, reason in enumerate(feedback, start=1))
    return (
        f"{prompt.rstrip()}\n\n## Your earlier answers\n\n"
        f"You answered this before, and the answer could not be used:\n{reasons}\n\n"
        "Answer again, and differently.\n"
    )


def wire_request(question: Question[Any]) -> WireRequest:
    """Text, PNG files and the schema that is rendered from the answer's class."""
    return WireRequest(
        text=with_feedback(question.prompt, question.feedback),
        images=tuple(map(png, question.images)),
        schema_name=question.schema.__name__,
        schema=json_schema(question.schema),
    )


@lru_cache(maxsize=64)
def json_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The answer's class as JSON schema; not to be changed by whoever gets it."""
    return schema.model_json_schema()


def sealed(question: Question[Any]) -> Question[Any]:
    """The same question, pictures encoded, without its judge: what another process can send."""
    pictures = tuple(EncodedPicture(image_sha(image), png(image)) for image in question.images)
    return replace(question, images=pictures, judge=None)


def png(image: Image.Image | EncodedPicture) -> bytes:
    """The picture as a PNG file; a picture that several questions show is encoded once."""
    if isinstance(image, EncodedPicture):
        return image.png
    sha = image_sha(image)
    if sha not in _encoded:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        while len(_encoded) >= _MOST_ENCODED:
            _encoded.pop(next(iter(_encoded)))
        _encoded[sha] = buffer.getvalue()
    return _encoded[sha]


_encoded: dict[str, bytes] = {}  # used by one thread of a process: the I/O loop, or who seals questions
_MOST_ENCODED = 128


def prompt_sha(question: Question[Any]) -> str:
    """SHA-256 of the prompt, feedback left out."""
    return hashlib.sha256(question.prompt.encode()).hexdigest()


def keys(question: Question[Any], wire: Wire, model: str | None = None) -> list[str]:
    """Cache keys: the question's own, then those of the same question with less feedback.

    Args:
      question: as it is asked.
      wire: who is asked.
      model: who answers, if it is another model than the wire's.

    An answer that was accepted after n refusals settles the stage. Kept under the shorter keys too, it
    answers the first question of the next run, so that a mended stage is not paid again. Where a shorter
    question has an accepted answer of its own, that one stays.
    """
    content = {
        "version": KEY_VERSION,
        "wire": wire.name,
        "address": wire.address,
        "model": model or wire.model,
        "parameters": wire.parameters,
        "stage": question.stage,
        "prompt": question.prompt,
        "images": [image_sha(image) for image in question.images],
        "schema": json_schema(question.schema),
    }
    reasons = list(question.feedback)
    return [key_of({**content, "feedback": reasons[:end]}) for end in range(len(reasons), -1, -1)]
