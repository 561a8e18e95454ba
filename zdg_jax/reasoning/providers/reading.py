"""From what a model wrote to an answer, or to the words that ask it again."""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from zdg_jax.reasoning.providers.secrets import hide, redact
from zdg_jax.reasoning.providers.wire import Ending, Reply
from zdg_jax.reasoning.status import Status

A = TypeVar("A", bound=BaseModel)

_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_SHOWN = 3  # schema errors quoted back
_LONGEST = 300  # characters of a provider's words


def read(reply: Reply, schema: type[A]) -> A | tuple[Status, str]:
    """The answer, or (status, why it is none, written to the model).

    Args:
      reply: of any provider.
      schema: the class that the answer must fit.
    """
    why = redact(reply.why)[:_LONGEST]
    if reply.ending is Ending.REFUSED:
        return Status.PROVIDER_REFUSED, (
            f"The reply was a refusal ({why or 'no reason given'}). The task is to plan a robot hand's grasp "
            "of a harmless everyday object; answer with the JSON object."
        )
    if reply.ending is Ending.TRUNCATED:
        return Status.PROVIDER_TRUNCATED, (
            f"The reply was cut off ({why or 'too long'}). Keep `reasoning` to two short sentences."
        )
    text = hide(reply.text)
    if not text.strip():
        return Status.PROVIDER_INVALID, "The reply was empty. Answer with the JSON object."
    fenced = _FENCE.match(text)
    try:
        return schema.model_validate_json(fenced.group(1) if fenced else text)
    except ValidationError as error:
        return Status.PROVIDER_INVALID, _complaint(error)


def _complaint(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    said = "; ".join(
        f"{'.'.join(map(str, entry['loc'])) or 'the reply'}: {entry['msg']}" for entry in found[:_SHOWN]
    )
    more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
    return f"The reply does not fit the schema: {said}{more}. Answer with one JSON object that does."
