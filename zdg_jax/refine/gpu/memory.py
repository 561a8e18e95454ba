"""Arrays and tables as a kernel reads them from flat memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from zdg_jax.hands.model import HandModel
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.gpu.layout import KernelLayout, kernel_layout
from zdg_jax.refine.problem import NO_POINT, Tables, Targets, by_start
from zdg_jax.refine.samples import NEIGHBOURS


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


class TaskRows(NamedTuple):
    """`Targets` as the kernel reads them: one row a task.

    Attributes:
      prior: [p, types, slots], in the kernel's order of vertices; a grasp's own is [slots].
      key_points: [p, 4, 8], of every pad, see `Targets`.
      kind: [p, k], the type of each start.
      samples: [p, batches, 3, samples], of the object.
      sample_balls: [p, batches, 4, runs], centre and radius of a sphere around each run of NEIGHBOURS.
      grid: [p, 4], origin and spacing.
      cells: [p, 5], cells along each axis, first entry and first region.
      weights: [p, terms], λ in the order of `TERMS`.
      scales: [p, 2], tolerance and sample weight.
    """

    prior: Any
    key_points: Any
    kind: Any
    samples: Any
    sample_balls: Any
    grid: Any
    cells: Any
    weights: Any
    scales: Any

    def of_grasp(self, grasp: Array, num_starts: int) -> TaskRows:
        """The rows of a grasp's task, in the kernel."""
        task = TaskRows(*(rows.row(grasp // num_starts) for rows in self))
        return task._replace(prior=task.prior.row(task.kind[grasp % num_starts]))


def task_rows(hand: HandModel, targets: Targets, num_starts: int) -> TaskRows:
    """Once before a loop, not once a step.

    Args:
      hand: static.
      targets: of p tasks.
      num_starts: of each.
    """
    body, grid, spare = kernel_layout(hand), targets.grid, 8 - len(hand.pad_names)
    tiles = targets.object_samples.reshape(*targets.object_samples.shape[:3], -1, NEIGHBOURS)
    middle = jnp.mean(tiles, axis=4, keepdims=True)
    spread = jnp.sqrt(jnp.max(jnp.sum((tiles - middle) ** 2, axis=2, keepdims=True), axis=4))
    return TaskRows(
        jnp.where(body.mask[None, None] > 0, targets.prior[:, :, body.order], 0.0),
        jnp.pad(targets.key_points, ((0, 0), (0, 0), (0, spare)), constant_values=NO_POINT),
        by_start(targets, num_starts).kind.astype(jnp.int32),
        targets.object_samples,
        jnp.concatenate([middle[..., 0], 1.001 * spread], axis=2),
        jnp.concatenate([grid.origin, grid.spacing[:, None]], axis=1),
        jnp.concatenate([grid.cells, grid.entry[:, None], grid.region[:, None]], axis=1),
        targets.weights,
        jnp.stack([targets.tolerance, targets.sample_weight], axis=1),
    )


def table_words(tables: Tables) -> tuple[Array, Array, Array]:
    """`Tables` as flat words, for loads of four."""
    rows, regions = (
        jax.lax.bitcast_convert_type(t.reshape(-1), jnp.int32) for t in (tables.rows, tables.regions)
    )
    return tables.entries, rows, regions


class HandRows(NamedTuple):
    """Constants of `KernelLayout` that a kernel reads from memory; it can't hold arrays of its own."""

    skin: Any
    skin_frame: Any
    tiles: Any
    sum_rows: Any
    ball: Any
    radius: Any
    ball_frame: Any
    min_distance: Any
    min_distance2: Any
    pad_mask: Any


def hand_rows(body: KernelLayout) -> HandRows:
    """As arguments of a call."""
    return HandRows(*(jnp.asarray(getattr(body, name)) for name in HandRows._fields))


def row_reader(words: View, fields: int):
    """Loads of four words each, which Triton turns into one 16-byte load a thread."""

    def read(row: Array) -> tuple[Array, ...]:
        out = []
        four = jnp.arange(4).reshape((1,) * row.ndim + (4,))
        for k in range(fields):
            block = words[row[..., None] * (4 * fields) + (4 * k + four)]
            out += [jnp.sum(jnp.asarray(jnp.where(four == w, block, 0)), axis=-1) for w in range(4)]
        return tuple(out)

    return read


def grid_of(floats: View, ints: View) -> Grid:
    return Grid(
        tuple(floats[c] for c in range(3)), floats[3],  # type: ignore[arg-type]
        tuple(ints[c] for c in range(3)), ints[3], ints[4],  # type: ignore[arg-type]
    )  # fmt: skip
