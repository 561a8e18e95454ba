"""Proportions of a variant, drawn from ranges with a fixed seed."""

from __future__ import annotations

import random
from typing import TypeVar

Number = float | int
T = TypeVar("T")


class Draw:
    """Numbers and styles of one variant of one category; the same on every machine.

    Python promises that `Random.random` with a text seed never changes.
    """

    def __init__(self, category: str, variant: int) -> None:
        self.variant = variant
        self._random = random.Random(f"{category}/{variant}")

    def __call__(self, low: Number, high: Number) -> float:
        """A number of the range, to a tenth of a millimetre (or of a thousandth, without a unit)."""
        return round(low + (high - low) * self._random.random(), 4)

    def pick(self, *styles: T) -> T:
        """The variant's own style: variants take them in turn."""
        return styles[self.variant % len(styles)]
