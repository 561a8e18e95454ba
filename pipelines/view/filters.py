"""`good and p_dep_cm < 0.2`: which grasps of a table are looked at, and in which order."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int, Shaped

from zdg_jax.errors import UserError

_COMPARE = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "==": operator.eq,
    "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_TERM = re.compile(r"^(not\s+)?([\w.]+)\s*(?:(<=|>=|!=|==|=|<|>)\s*(.+))?$")


def chosen(columns: Mapping[str, Shaped[np.ndarray, " n"]], where: str) -> Bool[np.ndarray, " n"]:
    """Rows that meet all terms.

    Args:
      columns: by name.
      where: terms with "and" between them: `good`, `not good`, `p_dep_cm < 0.2`, `grasp_type = lift`; empty
        for all rows. A number that is missing meets no comparison.
    Raises:
      UserError: no such column, or words that are no term.
    """
    count = len(next(iter(columns.values()), ()))
    keep = np.ones(count, bool)
    for term in re.split(r"\s+and\s+|\s*,\s*", where.strip()) if where.strip() else ():
        found = _TERM.match(term)
        if found is None:
            raise UserError(
                f"the filter {term!r}", "good, not good, or COLUMN < NUMBER", 'e.g. "good and p_dep_cm < 0.2"'
            )
        negated, name, sign, value = found.groups()
        values = _column(columns, name)
        meets = _truth(values) if sign is None else _compared(values, sign, value.strip().strip("'\""))
        keep &= ~meets if negated else meets
    return keep


def ordered(
    columns: Mapping[str, Shaped[np.ndarray, " n"]], by: str, *, descending: bool = False
) -> Int[np.ndarray, " n"]:
    """Row numbers by a column; rows of equal or missing values stay in their order, missing ones last.

    Raises:
      UserError: no such column.
    """
    values = _column(columns, by)
    if values.dtype.kind in "OUS":
        text = np.array([str(v) for v in values])
        order = np.argsort(text, kind="stable")
        return order[::-1] if descending else order
    number = np.asarray(values, float)
    number = -number if descending else number
    return np.argsort(np.where(np.isnan(number), np.inf, number), kind="stable")


def _column(columns: Mapping[str, Shaped[np.ndarray, " n"]], name: str) -> np.ndarray:
    if name not in columns:
        raise UserError(f"column {name!r}", f"one of {', '.join(columns)}", "choose another")
    return np.asarray(columns[name])


def _truth(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "OUS":
        return np.array([bool(v) for v in values])
    return np.nan_to_num(np.asarray(values, float)) > 0


def _compared(values: np.ndarray, sign: str, wanted: str) -> np.ndarray:
    compare = _COMPARE[sign]
    if values.dtype.kind in "OUS":
        return np.array([compare(str(v), wanted) for v in values], bool)
    try:
        number = {"true": 1.0, "false": 0.0}.get(wanted.lower())
        number = float(wanted) if number is None else number
    except ValueError:
        raise UserError(f"{wanted!r} to compare with", "a number", "mend the filter") from None
    known = np.asarray(values, float)
    return compare(known, number) & ~np.isnan(known)
