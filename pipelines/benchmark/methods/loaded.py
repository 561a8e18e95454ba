"""JSON of other people's, and the numbers in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from zdg_jax.errors import UserError


def load_json(file: Path, kind: type | None = None, keys: Sequence[str] = ()) -> Any:
    """The contents of a file; None, without a kind, if it is no JSON.

    Raises:
      UserError: no JSON, another kind of value, a key that is missing.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if kind is None:
            return None
        raise UserError(f"{file.name}, unreadable", "JSON", "check the file") from error
    if kind is not None and not isinstance(data, kind):
        raise UserError(f"{file.name} with a {type(data).__name__}", f"a {kind.__name__}", "check the file")
    if missing := [key for key in keys if key not in data]:
        raise UserError(f"{file.name} without {', '.join(missing)}", ", ".join(keys), "check the file")
    return data


def numbers(given: object, shape: tuple[int, ...], what: str) -> Float[np.ndarray, "n *shape"]:
    """An array [n, *shape]; one alone is n = 1.

    Raises:
      UserError: no numbers, or another shape.
    """
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{what} of no regular numbers", f"shape {shape}", "check the file") from error
    array = array[None] if array.shape == shape else array
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        raise UserError(f"{what} of shape {array.shape}", f"n x {shape}", "check the file")
    return array
