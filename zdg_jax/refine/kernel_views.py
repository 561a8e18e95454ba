"""Arrays of several axes as a kernel reads them from flat memory.

Triton's passes take time that grows with more than the square of a kernel's operations, and most of those
that Pallas writes for an index of several axes compute addresses: here they are one sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


@dataclass(frozen=True)
class View:
    """A reference to flat memory, indexed like an array of `shape` that begins at `first`."""

    ref: Any
    shape: tuple[int, ...]
    first: Array | int = 0

    def row(self, index: Array | int) -> View:
        """self[index], still in memory."""
        inner = self.shape[1:]
        return View(self.ref, inner, self.first + index * math.prod(inner))

    def __getitem__(self, index: Any) -> Array:
        return self.ref[self._offset(index)]

    def __setitem__(self, index: Any, value: Array) -> None:
        self.ref[self._offset(index)] = value

    def _offset(self, index: Any) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        fixed, scalar, wide = 0, self.first, None
        for axis, i in enumerate(index):
            stride = math.prod(self.shape[axis + 1 :])
            if isinstance(i, int):
                fixed += stride * i
                continue
            term = i if stride == 1 else i * stride
            if jnp.ndim(term) == 0:
                scalar = scalar + term
            else:
                wide = term if wide is None else wide + term
        scalar = scalar + fixed
        return scalar if wide is None else scalar + wide


def flat(arrays: Sequence[Array]) -> list[Array]:
    """Arguments of a call."""
    return [x.reshape(-1) for x in arrays]


def flat_shapes(shapes: Sequence[tuple[int, ...]]) -> list[jax.ShapeDtypeStruct]:
    """float32 results of a call."""
    return [jax.ShapeDtypeStruct((math.prod(s),), jnp.float32) for s in shapes]


def views(refs: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> list[View]:
    """What the kernel makes of its references."""
    return [View(r, tuple(s)) for r, s in zip(refs, shapes, strict=True)]
