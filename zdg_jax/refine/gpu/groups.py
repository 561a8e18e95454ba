"""Eq. 8 and its gradient by the frames of one hand, group by group, inside a Pallas (Triton) kernel.

Each group is measured a tile at a time by `measure`, its terms are those of `energies`, and `jax.vjp` of
their weighted sum gives dE/dp of the tile's points: no term is named here. All between the hand's frames and
the gradients by them stays in registers; the tables are read by rows of 16 bytes, one load a field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array

from zdg_jax._ptx import fma, is_fused
from zdg_jax.objects.sdf.query import Components
from zdg_jax.refine import objective
from zdg_jax.refine.energies import TERMS, Group, functions_of, group_energy
from zdg_jax.refine.gpu.layout import LANES, NO_ROW, PHASES, SPHERES, TILE, KernelLayout
from zdg_jax.refine.gpu.memory import HandRows, TaskRows, View, grid_of, row_reader
from zdg_jax.refine.samples import NEIGHBOURS, SAMPLES
from zdg_jax.refine.seams import square, turning
from zdg_jax.refine.variables import SPHERE_BITS

OVERLAPS_TESTED, OVERLAPS_AT_ONCE, HELD_AT_ONCE = 8, 4, 8
#: Rounding of squared distances that are multiplied out, m^2: a test that ignores it misses contacts.
SLACK = 1e-7
_FAR_KEY = 0x7F000000  # of sphere 0, further than any
#: E_k of a group's terms; dE by a shift (3) and by a turn (3) of what carries a point.
Values = tuple[Array, ...]
Rows = tuple[Array, ...]


class Grasp(NamedTuple):
    """What the groups of one grasp are measured from, and where they write.

    Attributes:
      body: static.
      hand, fields, task: what is read; `task` is this grasp's row of `task_rows`.
      frame: [12, LANES], R by rows and p of every frame of the hand.
      placed: [3, balls]; the balls are read back in many shapes.
      sums: [8, ROWS], gradients of the skin's positions, the pads and the samples, to be added up by frame.
      batch: the batch of object samples that this step tests.
    """

    body: KernelLayout
    hand: HandRows
    fields: objective.Fields
    task: TaskRows
    frame: View
    placed: View
    sums: View
    batch: Array

    def weights(self, group: Group) -> dict[int, Array]:
        """λ of a group's terms, read anew by each: held in registers all through, fewer warps would fit."""
        return {k: self.task.weights[k] for k, _ in functions_of(group)}

    def frames(self, number: Array) -> tuple[Array, ...]:
        return tuple(self.frame[c, number] for c in range(12))

    def balls(self, index: Array) -> Components:
        return tuple(self.placed[c, index] for c in range(3))

    def samples(self, which: Array) -> Components:
        return tuple(self.task.samples[self.batch, c, which] for c in range(3))


def link_gradients(
    body: KernelLayout,
    hand: HandRows,
    task: TaskRows,
    tables: tuple,
    scratch: tuple[View, View, View],
    batch: Array,
) -> tuple[list[Array], Rows]:
    """(every E_k but for what the joints add, dE by a shift and a turn of every frame, a lane a frame).

    Args:
      body: static.
      hand, tables: what `hand_rows` and `table_words` give.
      task: this grasp's row of `task_rows`.
      scratch: `frame`, which is given, `placed` and `sums` of `Grasp`.
      batch: the batch of object samples that this step tests.
    """
    entries, rows, regions = tables
    fields = objective.Fields(
        grid_of(task.grid, task.cells),
        lambda cell: entries[cell],
        row_reader(rows, 1),
        row_reader(regions, 2),
    )
    grasp = Grasp(body, hand, fields, task, *scratch, batch)
    _place_balls(grasp)
    skin = _skin(grasp)
    barrier()
    fingertips = _fingertips(grasp)
    barrier()
    spheres, total = _spheres(grasp, _own(grasp))
    samples, total = _samples(grasp, total)
    terms = [jnp.float32(0.0)] * len(TERMS)
    found: dict[Group, Values] = {
        "skin": skin,
        "fingertips": fingertips,
        "spheres": spheres,
        "samples": samples,
    }
    for group, values in found.items():
        for (k, _), value in zip(functions_of(group), values, strict=True):
            terms[k] = terms[k] + value
    return terms, total


def point_gradients(
    group: Group, weights: dict[int, Array], measured: Callable[[Components], Any], point: Components
) -> tuple[Values, Components]:
    """(E_k, dE/dp) of one group's terms over a tile of the points that it reads.

    Args:
      group: which.
      weights: λ by place in `TERMS`.
      measured: from the points to what the group reads.
      point: p.
    """
    total, back, terms = jax.vjp(lambda p: group_energy(group, measured(p), weights), point, has_aux=True)
    (grad,) = back(jnp.ones_like(total))
    return terms, grad


def _none(group: Group) -> Values:
    return (jnp.float32(0.0),) * len(functions_of(group))


def _added(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _link_rows(point: Components, grad: Components) -> Rows:
    """dE by a shift and by a turn of what carries the point."""
    return *grad, *turning(point, grad)


def _place_balls(grasp: Grasp) -> None:
    hand, placed, lanes = grasp.hand, grasp.placed, jnp.arange(TILE)

    def tile(number: Array, nothing: Array) -> Array:
        here = number * TILE + lanes
        local = tuple(hand.ball[c, here] for c in range(3))
        for c, x in enumerate(place(grasp.frames(hand.ball_frame[here]), local)):
            placed[c, here] = x
        return nothing

    jax.lax.fori_loop(0, placed.shape[1] // TILE, tile, jnp.float32(0.0))


def _skin(grasp: Grasp) -> Values:
    """Writes the gradients of every position of a tile, added up over the tiles of each phase."""
    hand, task, lanes = grasp.hand, grasp.task, jnp.arange(TILE)

    def phase(number: Array, terms: Values) -> Values:
        at, weights = grasp.frames(hand.skin_frame[number, lanes]), grasp.weights("skin")
        tolerance = task.scales[0]

        def tile(number: Array, carry):
            terms, total = carry
            here = number * TILE + lanes
            point = place(at, tuple(hand.skin[c, here] for c in range(3)))
            func, rest, every = (hand.skin[c, here] for c in (3, 4, 5))
            rows = objective.SkinRows(task.prior[here], hand.skin[6, here], func, rest, every)
            found, grad = point_gradients(
                "skin", weights, lambda p: objective.skin_distances(grasp.fields, p, rows, tolerance), point
            )
            return _added(terms, found), _added(total, _link_rows(point, grad))

        first, last = hand.tiles[number, 0], hand.tiles[number, 1]
        nothing = (jnp.zeros(TILE, jnp.float32),) * 6
        terms, total = jax.lax.fori_loop(first, last, tile, (terms, nothing))
        for c, row in enumerate(total):
            grasp.sums[c, number * TILE + lanes] = row
        return terms

    return jax.lax.fori_loop(0, PHASES, phase, _none("skin"))


def _fingertips(grasp: Grasp) -> Values:
    """Writes the pads' gradients, and zeros where nothing stands."""
    eight, weights = jnp.arange(8), grasp.weights("fingertips")
    pad, mask = grasp.balls(grasp.body.first_pad + eight), grasp.hand.pad_mask[eight]
    x, y, z, reach = (grasp.task.key_points[c, eight] for c in range(4))
    terms, grad = point_gradients(
        "fingertips",
        weights,
        lambda p: objective.fingertips(grasp.fields, p, mask, (x, y, z), reach),
        pad,
    )
    for c, row in enumerate(_link_rows(pad, grad)):
        grasp.sums[c, NO_ROW - 8 + eight] = row
        grasp.sums[c, NO_ROW + eight] = jnp.zeros(8, jnp.float32)
    return terms


def _own(grasp: Grasp) -> Rows:
    """Every frame adds up its own positions and pads."""
    rows, lane = grasp.hand.sum_rows, jnp.arange(LANES)

    def add(k: Array, total: Rows) -> Rows:
        mine = rows[k, lane]
        return tuple(t + grasp.sums[c, mine] for c, t in enumerate(total))

    return jax.lax.fori_loop(0, rows.shape[0], add, (jnp.zeros(LANES, jnp.float32),) * 6)


def _spheres(grasp: Grasp, total: Rows) -> tuple[Values, Rows]:
    hand, lane = grasp.hand, jnp.arange(LANES)
    every = jnp.arange(hand.min_distance.shape[1])
    other = grasp.balls(every)
    other2 = square(other)

    def collect(total: Rows, rows: Rows, frame: Array) -> Rows:
        """Adds gradients to those of the frames that carry the points."""
        mine = (frame[:, None] == lane[None, :]).astype(jnp.float32)
        return tuple(t + jnp.sum(mine * r[:, None], axis=0) for t, r in zip(total, rows, strict=True))

    def chunk(number: Array, carry):
        def overlapping(part: Array, carry):
            terms, total = carry
            here = number * OVERLAPS_TESTED + part * OVERLAPS_AT_ONCE + jnp.arange(OVERLAPS_AT_ONCE)
            center, least = grasp.balls(here), hand.min_distance[here[:, None], every[None, :]]
            found, grad = point_gradients(
                "spheres",
                grasp.weights("spheres"),
                lambda p: objective.sphere_gaps(p, other, least),
                center,
            )
            rows = _link_rows(center, grad)
            return _added(terms, found), collect(total, rows, hand.ball_frame[here])

        here = number * OVERLAPS_TESTED + jnp.arange(OVERLAPS_TESTED)
        least = hand.min_distance2[here[:, None], every[None, :]] - other2[None, :]
        return jax.lax.cond(
            _any(jnp.max(_reaches(grasp.balls(here), other, least), axis=0) > -SLACK),
            lambda: jax.lax.fori_loop(0, OVERLAPS_TESTED // OVERLAPS_AT_ONCE, overlapping, carry),
            lambda: carry,
        )

    chunks = -(-grasp.body.num_collision_spheres // OVERLAPS_TESTED)
    return jax.lax.fori_loop(0, chunks, chunk, (_none("spheres"), total))


def _samples(grasp: Grasp, total: Rows) -> tuple[Values, Rows]:
    hand, lanes, lane = grasp.hand, jnp.arange(TILE), jnp.arange(LANES)

    def tile(number: Array, carry):
        terms, total = carry
        which = number * NEIGHBOURS + jnp.arange(NEIGHBOURS)
        best = _deepest(grasp, number, which)

        def measured():
            nearest = best & ((1 << SPHERE_BITS) - 1)
            center, radius = grasp.balls(nearest), hand.radius[nearest]
            sample, (tolerance, weight) = grasp.samples(which), (grasp.task.scales[k] for k in range(2))
            found, grad = point_gradients(
                "samples",
                grasp.weights("samples"),
                lambda p: objective.object_samples(sample, p, radius, weight, tolerance),
                center,
            )
            rows = (*_link_rows(center, grad), hand.ball_frame[nearest].astype(jnp.float32))
            for c, row in enumerate(rows):
                grasp.sums[c, lanes] = row
            barrier()
            inside = jnp.sum(jnp.where(square(grad) > 0.0, 1 << lanes, 0))

            def add(n: Array, total: Rows) -> Rows:
                mine = grasp.sums[6, n] == lane.astype(jnp.float32)
                return tuple(t + jnp.where(mine, grasp.sums[c, n], 0.0) for c, t in enumerate(total))

            def add_some(n: Array, total: Rows) -> Rows:
                return jax.lax.cond(((inside >> n) & 1) == 1, lambda: add(n, total), lambda: total)

            more = jax.lax.fori_loop(0, NEIGHBOURS, add_some, total)
            barrier()
            return _added(terms, found), more

        return jax.lax.cond(_any(best < _FAR_KEY), measured, lambda: (terms, total))

    return jax.lax.fori_loop(0, SAMPLES // NEIGHBOURS, tile, (_none("samples"), total))


def _deepest(grasp: Grasp, tile: Array, which: Array) -> Array:
    """The least of `objective.sphere_keys` of each sample of a tile, over spheres that hold any of them."""
    hand, some, few = grasp.hand, jnp.arange(SPHERES), jnp.arange(HELD_AT_ONCE)
    *middle, spread = (grasp.task.sample_balls[grasp.batch, c, tile] for c in range(4))

    def nearest_of(group: Array, best: Array) -> Array:
        here = group * SPHERES + some
        # which of these spheres come near the sphere around these samples?
        gap2 = square(tuple(c - m for c, m in zip(grasp.balls(here), middle, strict=True)))
        reach = hand.radius[here] + spread
        near = jnp.sum(jnp.where(fma(reach, reach, -gap2) > 0.0, 1 << some, 0))

        def hold(part: Array, best: Array) -> Array:
            here = group * SPHERES + part * HELD_AT_ONCE + few
            points, center, radius = grasp.samples(which), grasp.balls(here), hand.radius[here]

            def keys() -> Array:
                over, under = tuple(x[None, :] for x in points), tuple(x[:, None] for x in center)
                found = objective.sphere_keys(
                    over, under, radius[:, None], here[:, None], grasp.body.max_radius
                )
                return jnp.minimum(best, jnp.min(found, axis=0))

            # does any hold one of the samples?
            least = (fma(radius, radius, -square(center)))[:, None]
            least = jnp.broadcast_to(least, (HELD_AT_ONCE, NEIGHBOURS))
            inside = jnp.max(_reaches(center, points, least, own=False), axis=0)
            return jax.lax.cond(_any(inside - square(points) > -SLACK), keys, lambda: best)

        def some_held(part: Array, best: Array) -> Array:
            mine = (near >> (part * HELD_AT_ONCE)) & ((1 << HELD_AT_ONCE) - 1)
            return jax.lax.cond(mine != 0, lambda: hold(part, best), lambda: best)

        return jax.lax.cond(
            near != 0,
            lambda: jax.lax.fori_loop(0, SPHERES // HELD_AT_ONCE, some_held, best),
            lambda: best,
        )

    none = jnp.full((NEIGHBOURS,), _FAR_KEY, jnp.int32)
    return jax.lax.fori_loop(0, grasp.body.first_pad // SPHERES, nearest_of, none)


def _reaches(a: Components, b: Components, least: Array, own: bool = True) -> Array:
    """least + 2 a.b - |a|^2 of all pairs: with least = r^2 - |b|^2 it is r^2 - |a - b|^2.

    The square is multiplied out, one instruction an axis; off by 1e-8 m^2.

    Args:
      a, b: points.
      least: [a, b], of every pair.
      own: subtract |a|^2; without, the caller has it in `least`, or subtracts |b|^2.
    """
    found = least
    for p, q in zip(a, b, strict=True):
        found = fma((2.0 * p)[:, None], q[None, :], found)
    return found - square(a)[:, None] if own else found


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
