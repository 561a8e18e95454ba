"""What a field of somebody else's file may be: pydantic types that bound numbers, sizes and words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from zdg_jax.arrow import MOST_SIZE
from zdg_jax.errors import UserError

MOST_NUMBERS = 50_000_000
MOST_SCALE = 1e4
MOST_WORD = 4096

M = TypeVar("M", bound=BaseModel)


class Foreign(BaseModel):
    """Fields that are not named here are not read."""

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True, strict=True)


def numbers(*shape: int | None) -> BeforeValidator:
    """Finite or NaN doubles of a shape; None is any length, no shape at all is any.

    Args:
      shape: a list of other length than this, or words in it, are refused.
    """

    def check(value: Any) -> Any:
        if value is None:
            return None
        found = doubles(value)
        wanted = tuple(found.shape[k] if n is None and k < found.ndim else n for k, n in enumerate(shape))
        if shape and found.shape != wanted:
            told = " x ".join("n" if n is None else str(n) for n in shape)
            raise ValueError(f"numbers of shape {found.shape}, not {told}")
        return found

    return BeforeValidator(check)


def doubles(value: Any) -> np.ndarray:
    """Numbers of any shape; absurd ones are NaN, hence `invalid_pose`. Raises ValueError."""
    if _count(value, 0) > MOST_NUMBERS:
        raise ValueError(f"more than {MOST_NUMBERS} numbers")
    made = np.asarray(value)
    if made.dtype.kind not in "biuf":
        try:
            if made.dtype.kind != "O" or any(isinstance(v, str | bytes) for v in made.ravel()):
                raise TypeError
            made = made.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            raise ValueError("no numbers") from None
    with np.errstate(over="ignore", invalid="ignore"):
        made = made.astype(np.float64)
        return np.where(np.abs(made) <= MOST_SIZE, made, np.nan)


def _count(value: Any, depth: int) -> int:
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return value.size
    if isinstance(value, list | tuple | np.ndarray):
        if depth > 8:
            raise ValueError("lists nested too deep")
        return sum(_count(each, depth + 1) for each in value)
    return 1


def _word(value: Any) -> Any:
    if isinstance(value, np.str_ | int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("no text")
    if len(value) > MOST_WORD:
        raise ValueError(f"a text of {len(value)} letters")
    if "\0" in value:
        raise ValueError("a text with NUL in it")
    return value


def _words(value: Any) -> Any:
    if not isinstance(value, list | tuple | np.ndarray) or len(value) > MOST_WORD:
        raise ValueError("no list of words")
    return [_word(each) for each in value]


def _scale(value: Any) -> Any:
    found = np.unique(doubles(value))
    if len(found) != 1:
        raise ValueError(f"{len(found)} scales, not one along all axes")
    if not (math.isfinite(found[0]) and 0 < found[0] <= MOST_SCALE):
        raise ValueError(f"scale {found[0]:g}, not a positive number up to {MOST_SCALE:g}")
    return float(found[0])


def _hand(value: Any) -> Any:
    word = _word(value)
    if (
        any(c in word for c in "/\\:")
        or word.startswith(".")
        or word.endswith((".yaml", ".yml", ".xml", ".urdf"))
    ):
        raise ValueError(f"hand {word!r}, a file; a grasp file may only name a hand")
    return word


Word = Annotated[str, BeforeValidator(_word)]
Words = Annotated[list[str], BeforeValidator(_words)]
Scale = Annotated[float, BeforeValidator(_scale)]
HandName = Annotated[str, BeforeValidator(_hand)]
"""A name, never a card's path: a card may load files and fetch repositories."""
Numbers = Annotated[np.ndarray, numbers()]
Three = Annotated[np.ndarray, numbers(3)]
Four = Annotated[np.ndarray, numbers(4)]


def validated(schema: type[M], data: Any, label: str) -> M:
    """The file's fields, checked.

    Args:
      schema: of the format.
      data: as parsed.
      label: of the file, for messages.

    Raises:
      UserError: the first field that is wrong.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"{label}, a {type(data).__name__}", "a dict of fields", "check the file")
    try:
        return schema.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        said = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{label}: {where}: {said}", f"a file of the format {schema.__name__}", "mend it"
        ) from None


def guarded(label: str, read: Callable[[], None]) -> None:
    """Read one file; whatever goes wrong with it, apart from the machine, is a line about it.

    Args:
      label: of the file.
      read: does it.

    Raises:
      UserError: with the reason.
    """
    from zdg_jax.errors import machine_error

    try:
        read()
    except UserError:
        raise
    except Exception as error:
        if (machine := machine_error(error)) is not None:
            raise machine from None
        said = f"{type(error).__name__} {' '.join(str(error).split())[:160]}"
        raise UserError(f"{label}, unreadable ({said})", "a file as its format has it", "mend it") from error
