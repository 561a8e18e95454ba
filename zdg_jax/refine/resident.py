"""Fields of objects on a device: sent once, and shared by all tasks and batches that need them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

from zdg_jax.objects.model import SignedDistanceField

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
