"""The one writer of Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table, without a line's end after the last.

    Args:
      heads: of the columns.
      rows: cells, as many as there are heads.
    Raises:
      ValueError: a row of another length.
    """
    lines = [heads, *rows]
    if wrong := [row for row in lines if len(row) != len(heads)]:
        raise ValueError(f"got a row of {len(wrong[0])} cells ({wrong[0]}); expected {len(heads)}")
    text = ["|" + "".join(f" {cell} |" if cell else " |" for cell in row) for row in lines]
    return "\n".join([text[0], "|---" * len(heads) + "|", *text[1:]])
