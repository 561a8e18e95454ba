"""Tasks, tables and hands as the GPU kernels read them from memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from zdg_jax.hands.model import HandModel
from zdg_jax.objects.lookup import Lattice
from zdg_jax.refine.kernel_layout import KernelLayout, kernel_layout
from zdg_jax.refine.kernel_views import View
from zdg_jax.refine.targets import NEIGHBOURS, Tables, Targets


class TaskRows(NamedTuple):
    """`Targets` as the kernel reads them: one row a task.

    Attributes:
      prior: [p, slots], in the kernel's order of vertices.
      samples: [p, batches, 3, samples], of the object.
      sample_balls: [p, batches, 4, runs], centre and radius of a sphere around each run of NEIGHBOURS.
      lattice: [p, 4], origin and spacing.
      cells: [p, 5], cells along each axis, first entry and first region.
      weights: [p, terms], λ in the order of `TERMS`.
      scales: [p, 2], tolerance and sample weight.
    """

    prior: Any
    samples: Any
    sample_balls: Any
    lattice: Any
    cells: Any
    weights: Any
    scales: Any


def task_rows(hand: HandModel, targets: Targets) -> TaskRows:
    """Once before a loop, not once a step."""
    body, lattice = kernel_layout(hand), targets.lattice
    tiles = targets.object_samples.reshape(*targets.object_samples.shape[:3], -1, NEIGHBOURS)
    middle = jnp.mean(tiles, axis=4, keepdims=True)
    spread = jnp.sqrt(jnp.max(jnp.sum((tiles - middle) ** 2, axis=2, keepdims=True), axis=4))
    return TaskRows(
        jnp.where(body.mask[None] > 0, targets.prior[:, body.order], 0.0),
        targets.object_samples,
        jnp.concatenate([middle[..., 0], 1.001 * spread], axis=2),
        jnp.concatenate([lattice.origin, lattice.spacing[:, None]], axis=1),
        jnp.concatenate([lattice.cells, lattice.entry[:, None], lattice.region[:, None]], axis=1),
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


def lattice_of(floats: View, ints: View) -> Lattice:
    return Lattice(
        tuple(floats[c] for c in range(3)), floats[3],  # type: ignore[arg-type]
        tuple(ints[c] for c in range(3)), ints[3], ints[4],  # type: ignore[arg-type]
    )  # fmt: skip
