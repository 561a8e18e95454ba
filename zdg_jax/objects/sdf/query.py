"""Differentiable look-up in the fields of a batch of objects: one set of formulas for XLA and for the kernel.

Coordinates come as three component arrays, and the tables are read through functions, so that the same code
traces inside a GPU kernel, where a table is a pointer.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from zdg_jax._ptx import cell_below, fma
from zdg_jax.objects.model import SUBDIVISION, SignedDistanceField

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


# Fields of objects on a device: sent once, and shared by all tasks and batches that need them.
if TYPE_CHECKING:
    Device = Any  # pyright takes jax.Device for a variable
else:
    Device = jax.Device

#: Rows and entries go in blocks of one size, so that one shape is ever compiled.
_BLOCK = 1 << 16


def tables(
    device: Device, room: tuple[int, int], fields: Sequence[SignedDistanceField]
) -> tuple[Int[Array, " entries"], UInt32[Array, "rows 4"], dict[int, int]]:
    """Tables of `SignedDistanceField` that hold all of these, on that device.

    What was returned before stays as it is. An accelerator keeps the fields of earlier calls of the same room
    as long as there is space for new ones; on a CPU, where nothing has to travel, they are laid anew.

    Args:
      device: where to.
      room: (entries, rows) that all of them need together at most.
      fields: some may be the same.

    Returns:
      (entries, rows, where each field's entries begin, by `id`).
    """
    if not _has_memory_of_its_own(device):
        return _laid(device, room, fields)
    with _LOCK:
        kept = _KEPT.get(device)
        if kept is None or kept.room != room:
            kept = _KEPT[device] = _Resident(device, room)
        return kept.with_all(fields)


def _laid(
    device: Device, room: tuple[int, int], fields: Sequence[SignedDistanceField]
) -> tuple[Array, Array, dict[int, int]]:
    begin, new_entries, new_rows = _joined(list({id(f): f for f in fields}.values()), (0, 0))
    entries, rows = np.zeros(room[0], np.int32), np.zeros((room[1], 4), np.uint32)
    entries[: len(new_entries)], rows[: len(new_rows)] = new_entries, new_rows
    return *jax.device_put((entries, rows), device), begin


def _joined(
    fields: Sequence[SignedDistanceField], at: tuple[int, int]
) -> tuple[dict[int, int], Int[np.ndarray, " cells"], UInt32[np.ndarray, "rows 4"]]:
    """Where each begins, by `id`, and their entries and rows end to end, from that (entry, row) on."""
    begin, entries, (entry, row) = {}, [], at
    for field in fields:
        begin[id(field)] = entry
        entries.append(field.entries + np.int32(2 * row))  # an entry is (row << 1) | refined
        entry, row = entry + len(field.entries), row + len(field.rows)
    return begin, np.concatenate(entries), np.concatenate([f.rows for f in fields])


def _has_memory_of_its_own(device: Device) -> bool:
    return device.platform != "cpu"


class _Resident:
    """Fields laid end to end; the newest last."""

    def __init__(self, device: Device, room: tuple[int, int]) -> None:
        self.device, self.room = device, room
        self._clear()

    def _clear(self) -> None:
        entries, rows = (n + _BLOCK for n in self.room)  # the last block may reach beyond what it brings
        with jax.default_device(self.device):
            empty = jnp.zeros(entries, jnp.int32), jnp.zeros((rows, 4), jnp.uint32)
        # said once more: only what is put on a device keeps what is added to it there
        self.entries, self.rows = jax.device_put(empty, self.device)
        self._at = (0, 0)
        self._known: dict[int, tuple[weakref.ref[SignedDistanceField], int]] = {}
        self._shared = False

    def with_all(self, fields: Sequence[SignedDistanceField]) -> tuple[Array, Array, dict[int, int]]:
        each = {id(f): f for f in fields}
        new = [f for f in each.values() if not self._has(f)]
        if any(at + n > most for at, n, most in zip(self._at, _size(new), self.room, strict=True)):
            self._clear()
            new = list(each.values())
        if new:
            self._append(new)
        self._shared = True
        return self.entries, self.rows, {key: self._known[key][1] for key in each}

    def _has(self, field: SignedDistanceField) -> bool:
        known = self._known.get(id(field))
        return known is not None and known[0]() is field  # not another at the place of one that is gone

    def _append(self, fields: Sequence[SignedDistanceField]) -> None:
        begin, entries, rows = _joined(fields, self._at)
        for field in fields:
            self._known[id(field)] = weakref.ref(field), begin[id(field)]
        # what has been given away must stay as it is; what was made here since then is written in place
        self.entries = _written(self.entries, entries, self._at[0], self._shared)
        self.rows = _written(self.rows, rows, self._at[1], self._shared)
        self._at = self._at[0] + len(entries), self._at[1] + len(rows)


_KEPT: dict[Device, _Resident] = {}
_LOCK = threading.Lock()


def _size(fields: Sequence[SignedDistanceField]) -> tuple[int, int]:
    return sum(len(f.entries) for f in fields), sum(len(f.rows) for f in fields)


def _written(table: Array, values: np.ndarray, at: int, copy: bool) -> Array:
    for first in range(0, len(values), _BLOCK):
        part = values[first : first + _BLOCK]
        block = np.zeros((_BLOCK, *values.shape[1:]), values.dtype)
        block[: len(part)] = part
        table = (_put if copy else _put_in_place)(table, block, np.int32(at + first))
        copy = False
    return table


def _update(table: Array, block: Array, at: Int[Array, ""]) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(table, block, at, axis=0)


_put = jax.jit(_update)
_put_in_place = partial(jax.jit, donate_argnums=0)(_update)
