"""What one grasp measures and how hard it is pushed, traced inside a Pallas (Triton) kernel.

Everything between the frames of the hand and the wrenches on them stays in registers; the tables are read by
rows of 16 bytes, one load a field. The formulas are those of `pushes`, traced here over tiles.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array

from zdg_jax._ptx import fma, is_fused
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.lookup import Components, Lattice
from zdg_jax.refine import pushes
from zdg_jax.refine.kernel_layout import NO_ROW, PHASES, SPHERES, TILE, KernelLayout, kernel_layout
from zdg_jax.refine.kernel_segments import LANES
from zdg_jax.refine.kernel_views import View
from zdg_jax.refine.targets import NEIGHBOURS, SAMPLES, Tables, Targets

OVERLAPS_TESTED, OVERLAPS_AT_ONCE, HELD_AT_ONCE = 8, 4, 8
#: Rounding of squared distances that are multiplied out, m^2: a test that ignores it misses contacts.
SLACK = 1e-7
_FAR_KEY = 0x7F000000  # of sphere 0, further than any


class TaskRows(NamedTuple):
    """`Targets` as the kernel reads them: one row a task.

    Attributes:
      prior: [p, slots], in the kernel's order of vertices.
      probes: [p, batches, 3, probes].
      probe_balls: [p, batches, 4, runs], centre and radius of a sphere around each run of NEIGHBOURS probes.
      lattice: [p, 4], origin and spacing.
      cells: [p, 5], cells along each axis, first entry and first region.
      weights: [p, 9], lambda_1..7, tolerance, probe weight.
    """

    prior: Any
    probes: Any
    probe_balls: Any
    lattice: Any
    cells: Any
    weights: Any


def task_rows(hand: HandModel, targets: Targets) -> TaskRows:
    """Once before a loop, not once a step."""
    body, lattice = kernel_layout(hand), targets.lattice
    tiles = targets.object_samples.reshape(*targets.object_samples.shape[:3], -1, NEIGHBOURS)
    middle = jnp.mean(tiles, axis=4, keepdims=True)
    spread = jnp.sqrt(jnp.max(jnp.sum((tiles - middle) ** 2, axis=2, keepdims=True), axis=4))
    return TaskRows(
        jnp.where(body.exists[None] > 0, targets.prior[:, body.order], 0.0),
        targets.object_samples,
        jnp.concatenate([middle[..., 0], 1.001 * spread], axis=2),
        jnp.concatenate([lattice.origin, lattice.spacing[:, None]], axis=1),
        jnp.concatenate([lattice.cells, lattice.entry[:, None], lattice.region[:, None]], axis=1),
        jnp.concatenate(
            [targets.weights, targets.tolerance[:, None], targets.sample_weight[:, None]], axis=1
        ),
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
    felt: Any
    ball: Any
    radius: Any
    ball_frame: Any
    touch: Any
    touch2: Any
    pad_exists: Any


def hand_rows(body: KernelLayout) -> HandRows:
    """As arguments of a call."""
    return HandRows(*(jnp.asarray(getattr(body, name)) for name in HandRows._fields))


def wrenches(
    body: KernelLayout, hand: HandRows, task: TaskRows, tables: tuple, frame: View, placed: View, felt: View,
    batch: Array,
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:  # fmt: skip
    """(energies 1-6, force and moment on every frame, a lane a frame) of one grasp.

    Args:
      body: static.
      hand, tables: what `hand_rows` and `table_words` give.
      task: this grasp's row of `task_rows`.
      frame: [12, LANES], R by rows and p of every frame of the hand.
      placed: [3, balls], written here: the balls are read back in many shapes.
      felt: [8, ROWS], written here: what the skin's positions, the pads and probes feel.
      batch: the batch of object probes that this step tests.
    """
    entries, rows, regions = tables
    fields = pushes.Fields(
        _lattice(task.lattice, task.cells),
        lambda cell: entries[cell], _row_reader(rows, 1), _row_reader(regions, 2),
    )  # fmt: skip
    zero, tile_lanes, lane = jnp.float32(0.0), jnp.arange(TILE), jnp.arange(LANES)

    def weights() -> pushes.Weights:
        """Read anew by each part: held in registers all through, fewer warps would fit."""
        return pushes.Weights(tuple(task.weights[k] for k in range(7)), task.weights[7], task.weights[8])

    def frames(number: Array) -> tuple[Array, ...]:
        return tuple(frame[c, number] for c in range(12))

    def wrench_of(point: Components, force: Components) -> tuple[Array, ...]:
        return *force, *pushes.moment(point, force)

    def place_balls(tile: Array, nothing: Array) -> Array:
        here = tile * TILE + tile_lanes
        for c, x in enumerate(
            place(frames(hand.ball_frame[here]), tuple(hand.ball[c, here] for c in range(3)))
        ):
            placed[c, here] = x
        return nothing

    jax.lax.fori_loop(0, placed.shape[1] // TILE, place_balls, zero)

    def skin_phase(phase: Array, terms: tuple[Array, ...]) -> tuple[Array, ...]:
        at, on_skin = frames(hand.skin_frame[phase, tile_lanes]), weights()

        def skin_tile(tile: Array, carry):
            terms, total = carry
            here = tile * TILE + tile_lanes
            point = place(at, tuple(hand.skin[c, here] for c in range(3)))
            share = tuple(hand.skin[c, here] for c in (3, 4, 5))
            prior, exists = task.prior[here], hand.skin[6, here]
            found, force = pushes.push_skin(fields, on_skin, point, prior, share, exists)
            added = tuple(a + b for a, b in zip(terms, found, strict=True))
            return added, tuple(a + b for a, b in zip(total, wrench_of(point, force), strict=True))

        first, last = hand.tiles[phase, 0], hand.tiles[phase, 1]
        nothing = (jnp.zeros(TILE, jnp.float32),) * 6
        terms, total = jax.lax.fori_loop(first, last, skin_tile, (terms, nothing))
        for c, row in enumerate(total):
            felt[c, phase * TILE + tile_lanes] = row
        return terms

    terms = jax.lax.fori_loop(0, PHASES, skin_phase, (zero,) * 4)
    barrier()

    def balls(index: Array) -> Components:
        x, y, z = (placed[c, index] for c in range(3))
        return x, y, z

    eight = jnp.arange(8)
    pad = balls(body.first_pad + eight)
    closure, force = pushes.push_pads(fields, weights(), pad, hand.pad_exists[eight])
    for c, row in enumerate(wrench_of(pad, force)):
        felt[c, NO_ROW - 8 + eight] = row
        felt[c, NO_ROW + eight] = jnp.zeros(8, jnp.float32)
    barrier()

    def own(k: Array, wrench: tuple[Array, ...]) -> tuple[Array, ...]:
        mine = hand.felt[k, lane]
        return tuple(w + felt[c, mine] for c, w in enumerate(wrench))

    # every frame adds up its own positions
    wrench = jax.lax.fori_loop(0, hand.felt.shape[0], own, (jnp.zeros(LANES, jnp.float32),) * 6)

    def collect(total: tuple[Array, ...], rows: tuple[Array, ...], frame: Array) -> tuple[Array, ...]:
        """Adds force and moment to those of the frames that carry the points."""
        mine = (frame[:, None] == lane[None, :]).astype(jnp.float32)
        return tuple(t + jnp.sum(mine * r[:, None], axis=0) for t, r in zip(total, rows, strict=True))

    every = jnp.arange(hand.touch.shape[1])
    other = balls(every)
    other2 = pushes.square(other)

    def overlap_rows(chunk: Array, carry):
        def overlapping(part: Array, carry):
            energy, wrench = carry
            here = chunk * OVERLAPS_TESTED + part * OVERLAPS_AT_ONCE + jnp.arange(OVERLAPS_AT_ONCE)
            center, touch = balls(here), hand.touch[here[:, None], every[None, :]]
            found, force = pushes.push_overlap(weights(), center, other, touch)
            return energy + found, collect(wrench, wrench_of(center, force), hand.ball_frame[here])

        here = chunk * OVERLAPS_TESTED + jnp.arange(OVERLAPS_TESTED)
        least = hand.touch2[here[:, None], every[None, :]] - other2[None, :]
        return jax.lax.cond(
            _any(jnp.max(pushes.reaches(balls(here), other, least), axis=0) > -SLACK),
            lambda: jax.lax.fori_loop(0, OVERLAPS_TESTED // OVERLAPS_AT_ONCE, overlapping, carry),
            lambda: carry,
        )

    chunks = -(-body.thins // OVERLAPS_TESTED)
    overlap, wrench = jax.lax.fori_loop(0, chunks, overlap_rows, (zero, wrench))

    groups, some, few = body.first_pad // SPHERES, jnp.arange(SPHERES), jnp.arange(HELD_AT_ONCE)

    def probes_tile(tile: Array, carry):
        energy, wrench = carry
        which = tile * NEIGHBOURS + jnp.arange(NEIGHBOURS)
        *middle, spread = (task.probe_balls[batch, c, tile] for c in range(4))

        def probe() -> Components:
            x, y, z = (task.probes[batch, c, which] for c in range(3))
            return x, y, z

        def nearest_of(group: Array, best: Array) -> Array:
            here = group * SPHERES + some
            # which of these spheres come near the sphere around these probes?
            gap2 = pushes.square(tuple(c - m for c, m in zip(balls(here), middle, strict=True)))
            reach = hand.radius[here] + spread
            near = jnp.sum(jnp.where(fma(reach, reach, -gap2) > 0.0, 1 << some, 0))

            def hold(part: Array, best: Array) -> Array:
                here = group * SPHERES + part * HELD_AT_ONCE + few
                points, center, radius = probe(), balls(here), hand.radius[here]

                def keys() -> Array:
                    over, under = tuple(x[None, :] for x in points), tuple(x[:, None] for x in center)
                    found = pushes.sphere_keys(over, under, radius[:, None], here[:, None], body.most)
                    return jnp.minimum(best, jnp.min(found, axis=0))

                # does any hold one of the probes?
                least = (fma(radius, radius, -pushes.square(center)))[:, None]
                least = jnp.broadcast_to(least, (HELD_AT_ONCE, NEIGHBOURS))
                inside = jnp.max(pushes.reaches(center, points, least, own=False), axis=0)
                return jax.lax.cond(_any(inside - pushes.square(points) > -SLACK), keys, lambda: best)

            def some_held(part: Array, best: Array) -> Array:
                mine = (near >> (part * HELD_AT_ONCE)) & ((1 << HELD_AT_ONCE) - 1)
                return jax.lax.cond(mine != 0, lambda: hold(part, best), lambda: best)

            return jax.lax.cond(
                near != 0,
                lambda: jax.lax.fori_loop(0, SPHERES // HELD_AT_ONCE, some_held, best),
                lambda: best,
            )

        none = jnp.full((NEIGHBOURS,), _FAR_KEY, jnp.int32)
        best = jax.lax.fori_loop(0, groups, nearest_of, none)

        def push():
            nearest = best & ((1 << pushes.SPHERE_BITS) - 1)
            center = balls(nearest)
            found, force = pushes.push_probes(weights(), probe(), center, hand.radius[nearest])
            for c, row in enumerate(
                (*wrench_of(center, force), hand.ball_frame[nearest].astype(jnp.float32))
            ):
                felt[c, tile_lanes] = row
            barrier()

            pushed = jnp.sum(jnp.where(pushes.square(force) > 0.0, 1 << tile_lanes, 0))

            def add(n: Array, total: tuple[Array, ...]) -> tuple[Array, ...]:
                mine = felt[6, n] == lane.astype(jnp.float32)
                return tuple(t + jnp.where(mine, felt[c, n], 0.0) for c, t in enumerate(total))

            total = jax.lax.fori_loop(
                0, NEIGHBOURS,
                lambda n, t: jax.lax.cond(((pushed >> n) & 1) == 1, lambda: add(n, t), lambda: t), wrench,
            )  # fmt: skip
            barrier()
            return energy + found, total

        some_found = _any(best < _FAR_KEY)
        return jax.lax.cond(some_found, push, lambda: (energy, wrench))

    inside, wrench = jax.lax.fori_loop(0, SAMPLES // NEIGHBOURS, probes_tile, (zero, wrench))
    return (*terms[:3], terms[3] + inside, overlap, closure), wrench


def _any(which: Array) -> Array:
    """By a sum of integers, for which there is an instruction."""
    return jnp.sum(which.astype(jnp.int32)) > 0


def barrier() -> None:
    """What this warp's lanes wrote may be read by its other lanes."""
    if is_fused():
        plgpu.debug_barrier()


def place(frame: tuple[Array, ...], local: Components) -> Components:
    """R x + p by component; `frame` is R by rows, then p."""
    a, b, c = local
    x, y, z = (
        fma(frame[3 * r], a, fma(frame[3 * r + 1], b, fma(frame[3 * r + 2], c, frame[9 + r])))
        for r in range(3)
    )
    return x, y, z


def _row_reader(words: View, fields: int):
    """Loads of four words each, which Triton turns into one 16-byte load a thread."""

    def read(row: Array) -> tuple[Array, ...]:
        out = []
        four = jnp.arange(4).reshape((1,) * row.ndim + (4,))
        for k in range(fields):
            block = words[row[..., None] * (4 * fields) + (4 * k + four)]
            out += [jnp.sum(jnp.asarray(jnp.where(four == w, block, 0)), axis=-1) for w in range(4)]
        return tuple(out)

    return read


def _lattice(floats: View, ints: View) -> Lattice:
    return Lattice(
        tuple(floats[c] for c in range(3)), floats[3],  # type: ignore[arg-type]
        tuple(ints[c] for c in range(3)), ints[3], ints[4],  # type: ignore[arg-type]
    )  # fmt: skip
