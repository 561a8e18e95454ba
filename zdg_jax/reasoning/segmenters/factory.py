"""Segmenters by name, as on the command line."""

from __future__ import annotations

from zdg_jax.errors import UserError
from zdg_jax.reasoning.segmenters.segmenter import Segmenter

GEOMETRIC = "geometric"
NAMES = (GEOMETRIC, "sam:PATH_OR_ID")


def make_segmenter(name: str) -> Segmenter | None:
    """The segmenter of that name; None for the object's geometric parts.

    Raises:
      UserError: unknown name, torch missing, no such model.
    """
    kind, _, path = name.partition(":")
    if name == GEOMETRIC:
        return None
    if kind != "sam" or not path:
        raise UserError(f"segmenter {name!r}", f"one of {', '.join(NAMES)}", "choose one with --segmenter")
    from zdg_jax.reasoning.segmenters.sam import load_sam

    return Segmenter(load_sam(path))
