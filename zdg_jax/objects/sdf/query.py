"""Differentiable look-up in the fields of a batch of objects: one set of formulas for XLA and for the kernel.

Coordinates come as three component arrays, and the tables are read through functions, so that the same code
traces inside a GPU kernel, where a table is a pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from zdg_jax._ptx import cell_below, fma
from zdg_jax.objects.model import SUBDIVISION

#: x, y and z, each an array of all points.
Components = tuple[Array, ...]
#: Reads one row of packed corners: four words for each field.
ReadRow = Callable[[Array], tuple[Array, ...]]


class Grid(NamedTuple):
    """Where the coarse cells of one object lie, and where its tables begin in those that a batch shares.

    Attributes:
      origin: of node (0, 0, 0), metres.
      spacing: edge of a cell, metres.
      cells: along each axis.
      entry: its first cell in the table of entries.
      region: its task's first cell in the table of region distances.
    """

    origin: Float[Array, "*b 3"]
    spacing: Float[Array, "*b"]
    cells: Int[Array, "*b 3"]
    entry: Int[Array, "*b"]
    region: Int[Array, "*b"]


class GridPoint(NamedTuple):
    """One point in a grid.

    Attributes:
      cell: number of its cell.
      t: where in it, 0..1.
      slope: 1 / spacing, or 0 along axes where the point lies beyond the grid.
      far, away: distance to the grid and its gradient.
    """

    cell: Array
    t: Components
    slope: Components
    far: Array
    away: Components


def locate(grid: Grid, point: Components) -> GridPoint:
    """Cell floor(q) and position q - floor(q) of q, the point p clamped to the grid, and |p - q|.

    Points must be finite: a NaN has no cell.
    """
    index, t, slope, beyond = [], [], [], []
    per_metre = 1.0 / grid.spacing
    for axis in range(3):
        top = grid.cells[axis].astype(jnp.float32)
        u = (point[axis] - grid.origin[axis]) * per_metre
        q = jnp.clip(u, 0.0, top)
        beyond.append((u - q) * grid.spacing)
        slope.append(jnp.where(u == q, per_metre, 0.0))
        low, cell = cell_below(q, top)
        index.append(cell)
        t.append(q - low)
    x, y, z = beyond
    square = fma(x, x, fma(y, y, z * z))
    shrink = jax.lax.rsqrt(jnp.maximum(square, 1e-20))
    return GridPoint(
        (index[0] * grid.cells[1] + index[1]) * grid.cells[2] + index[2],
        (t[0], t[1], t[2]),
        (slope[0], slope[1], slope[2]),
        square * shrink,
        (x * shrink, y * shrink, z * shrink),
    )


def interpolate(words: tuple[Array, ...], t: Components) -> tuple[Array, Components]:
    """Trilinear value of one packed cell and its derivative by t: v = sum_c w_c(t) v_c.

    Args:
      words: four; word 2 dx + dy holds corner dz = 0 in its low 16 bits and dz = 1 in its high ones.
      t: position in the cell, 0..1.
    """
    tx, ty, tz = t
    low = [_half(w) for w in words]
    rise = [_half(w >> 16) - v for w, v in zip(words, low, strict=True)]
    a = [fma(tz, r, v) for v, r in zip(low, rise, strict=True)]
    y0, y1 = a[1] - a[0], a[3] - a[2]
    z0, z1 = fma(ty, rise[1] - rise[0], rise[0]), fma(ty, rise[3] - rise[2], rise[2])
    b0, b1 = fma(ty, y0, a[0]), fma(ty, y1, a[2])
    x = b1 - b0
    return fma(tx, x, b0), (x, fma(tx, y1 - y0, y0), fma(tx, z1 - z0, z0))


def signed(
    grid: Grid, read_entry: Callable[[Array], Array], read_row: ReadRow, at: GridPoint
) -> tuple[Array, Components]:
    """phi and its gradient in a two-level field (see `SignedDistanceField`), beyond the grid |p - q| more.

    The value is continuous, the gradient is exact for it: inside a cell that of the trilinear form, outside
    the grid that of the distance to the grid.

    Args:
      grid: of the coarse cells.
      read_entry: cell number in the table -> entry.
      read_row: row number -> four words.
      at: from `locate`.
    """
    entry = read_entry(grid.entry + at.cell)
    parts = jnp.where((entry & 1) == 1, SUBDIVISION, 1)
    scale = parts.astype(jnp.float32)
    t, index = [], []
    for coarse in at.t:
        fine = coarse * scale
        low, cell = cell_below(fine, scale)
        index.append(cell)
        t.append(fine - low)
    words = read_row((entry >> 1) + (index[0] * parts + index[1]) * parts + index[2])
    value, slope = interpolate(words, (t[0], t[1], t[2]))
    x, y, z = (scale * s for s in slope)
    return _beyond(at, value, (x, y, z))


def regions(
    grid: Grid, read_row: ReadRow, at: GridPoint
) -> tuple[tuple[Array, Components], tuple[Array, Components]]:
    """Distances to M_hand and P_func with their gradients, from a grid on the coarse nodes.

    Args:
      grid: of the coarse cells.
      read_row: cell number in the table -> eight words, four of each field.
      at: from `locate`.
    """
    words = read_row(grid.region + at.cell)
    return _beyond(at, *interpolate(words[:4], at.t)), _beyond(at, *interpolate(words[4:], at.t))


def row_reader(table: UInt32[Array, "rows words"]) -> ReadRow:
    """The XLA way to read rows: one gather of whole rows."""

    def read(row: Array) -> tuple[Array, ...]:
        got = table.at[row].get(mode="promise_in_bounds")
        return tuple(got[..., k] for k in range(table.shape[1]))

    return read


def entry_reader(table: Int[Array, " cells"]) -> Callable[[Array], Array]:
    """The XLA way to read entries."""
    return lambda cell: table.at[cell].get(mode="promise_in_bounds")


def _half(bits: Array) -> Array:
    """The float16 in the low 16 bits."""
    return jax.lax.bitcast_convert_type(bits.astype(jnp.uint16), jnp.float16).astype(jnp.float32)


def _beyond(at: GridPoint, value: Array, slope: Components) -> tuple[Array, Components]:
    x, y, z = (fma(s, k, a) for s, k, a in zip(slope, at.slope, at.away, strict=True))
    return value + at.far, (x, y, z)
