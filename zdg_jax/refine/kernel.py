"""Energies and pushes of a batch as one Pallas (Triton) kernel for NVIDIA: one program a grasp.

Everything between the links' poses and the wrenches on them stays in registers; the tables are read by
rows of 16 bytes, one load a field. The formulas are those of `pushes`, traced here over tiles.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float, Int

from zdg_jax._brax import Transform, math
from zdg_jax._ptx import fma, fused, is_fused
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.lookup import Components, Lattice
from zdg_jax.refine import pushes
from zdg_jax.refine.kernel_layout import SPHERES, TILE, KernelLayout, kernel_layout
from zdg_jax.refine.objective import Pushed
from zdg_jax.refine.targets import NEIGHBOURS, PROBES, Tables, Targets

#: One warp a program: nothing waits at a barrier, and enough programs share a multiprocessor to hide loads.
WARPS = 1
OVERLAPS_AT_ONCE = 8


def push_kernel(
    hand: HandModel,
    tables: Tables,
    targets: Targets,
    links: Transform,
    batch: Int[Array, ""],
    interpret: bool = False,
) -> Pushed:
    """`objective.push` for [p, k] grasps, k of each of p tasks.

    Args:
      hand: static.
      tables, targets: of the batch; targets with a leading axis p.
      links: [p, k, links, ...], field frame.
      batch: the batch of object probes that this step tests.
      interpret: run the kernel's steps as plain XLA, on any device.
    """
    tasks, seeds = links.pos.shape[:2]
    frame = frames_of(hand, links)
    tasks_rows = task_rows(hand, targets)
    terms, wrench = push_frames(hand, tables, tasks_rows, seeds, frame, batch, True, interpret)
    count = len(hand.link_names)
    wrench = jnp.transpose(wrench[:, :, :count], (0, 2, 1)).reshape(tasks, seeds, count, 6)
    return Pushed(terms[:, :6].reshape(tasks, seeds, 6), wrench[..., :3], wrench[..., 3:])


def frames_of(hand: HandModel, links: Transform) -> Float[Array, "b 12 lanes"]:
    """R by rows and p of all links of all grasps, padded to the kernel's number of links."""
    count = len(hand.link_names)
    rot = jax.vmap(math.quat_to_3x3)(links.rot.reshape(-1, 4)).reshape(-1, count, 9)
    frame = jnp.concatenate([rot, links.pos.reshape(-1, count, 3)], axis=2)
    return jnp.pad(jnp.transpose(frame, (0, 2, 1)), ((0, 0), (0, 0), (0, kernel_layout(hand).links - count)))


class TaskRows(NamedTuple):
    """`Targets` as the kernel reads them: one row a task, priors in the kernel's order of vertices."""

    prior: Float[Array, "p slots"]
    probes: Float[Array, "p batches 3 probes"]
    lattice: Float[Array, "p 4"]
    cells: Int[Array, "p 5"]
    weights: Float[Array, "p 9"]


def task_rows(hand: HandModel, targets: Targets) -> TaskRows:
    """Once before a loop, not once a step."""
    body, lattice = kernel_layout(hand), targets.lattice
    return TaskRows(
        jnp.where(body.exists[None] > 0, targets.prior[:, body.order], 0.0),
        targets.probes,
        jnp.concatenate([lattice.origin, lattice.spacing[:, None]], axis=1),
        jnp.concatenate([lattice.cells, lattice.entry[:, None], lattice.region[:, None]], axis=1),
        jnp.concatenate([targets.weights, targets.tolerance[:, None], targets.probe_weight[:, None]], axis=1),
    )


def push_frames(
    hand: HandModel,
    tables: Tables,
    tasks: TaskRows,
    seeds: int,
    frame: Float[Array, "b 12 lanes"],
    batch: Int[Array, ""],
    energies: bool,
    interpret: bool = False,
) -> tuple[Float[Array, "b 8"], Float[Array, "b 6 lanes"]]:
    """(energies 1-6 and two spare columns, force and moment on every link) of b grasps.

    Args:
      hand: static.
      tables, tasks: of the batch.
      seeds: grasps a task; grasp i belongs to task i // seeds.
      frame: from `frames_of` or `kernel_motion.move`.
      batch: the batch of object probes that this step tests.
      energies: also sum up the terms; a step of the optimiser needs only the pushes.
      interpret: run the kernel's steps as plain XLA, on any device.
    """
    body, total = kernel_layout(hand), frame.shape[0]
    words = [jax.lax.bitcast_convert_type(t.reshape(-1), jnp.int32) for t in (tables.rows, tables.regions)]
    terms, wrench, _ = pl.pallas_call(
        partial(_program, body, seeds, energies, not interpret),
        grid=(total,),
        out_shape=(
            jax.ShapeDtypeStruct((total, 8), jnp.float32),
            jax.ShapeDtypeStruct((total, 6, body.links), jnp.float32),
            jax.ShapeDtypeStruct((total, 3, body.ball.shape[1]), jnp.float32),  # where the balls are
        ),
        compiler_params=plgpu.CompilerParams(num_warps=WARPS, num_stages=1),
        interpret=interpret,
        name="push",
    )(
        frame, *tasks, batch.astype(jnp.int32)[None], tables.entries, *words,
        *(jnp.asarray(x) for x in (body.skin, body.skin_link, body.ball, body.radius, body.ball_link)),
        *(jnp.asarray(x) for x in (body.touch, body.pad_exists)),
    )  # fmt: skip
    return terms, wrench


def _program(body: KernelLayout, seeds: int, energies: bool, cuda: bool, *refs) -> None:
    with fused() if cuda else nullcontext():
        _grasp(body, seeds, energies, *refs)


def _grasp(
    body: KernelLayout, seeds: int, energies: bool,
    frame_ref, prior_ref, probes_ref, lattice_ref, cells_ref, weights_ref, batch_ref, entries_ref, rows_ref,
    regions_ref, skin_ref, skin_link_ref, local_ref, radius_ref, ball_link_ref, touch_ref, pad_exists_ref,
    terms_ref, wrench_ref, ball_ref,
) -> None:  # fmt: skip
    grasp = pl.program_id(0)
    task = grasp // seeds
    fields = pushes.Fields(
        _lattice(lattice_ref, cells_ref, task),
        lambda cell: entries_ref[cell], _row_reader(rows_ref, 1), _row_reader(regions_ref, 2),
    )  # fmt: skip
    weights = pushes.Weights(
        tuple(weights_ref[task, k] for k in range(7)), weights_ref[task, 7], weights_ref[task, 8]
    )
    zero, tile_lanes = jnp.float32(0.0), jnp.arange(TILE)

    def frames(link: Array) -> tuple[Array, ...]:
        return tuple(frame_ref[grasp, c, link] for c in range(12))

    # Balls first, kept in memory: they are read back in many shapes.
    for first in range(0, ball_ref.shape[2], TILE):
        here = first + tile_lanes
        placed = _place(frames(ball_link_ref[here]), tuple(local_ref[c, here] for c in range(3)))
        for c in range(3):
            ball_ref[grasp, c, here] = placed[c]
    if is_fused():
        plgpu.debug_barrier()

    def balls(index: Array) -> Components:
        x, y, z = (ball_ref[grasp, c, index] for c in range(3))
        return x, y, z

    lane = jnp.arange(body.links)

    def collect(total: tuple[Array, ...], rows: tuple[Array, ...], link: Array) -> tuple[Array, ...]:
        """Adds force and moment to those of the links."""
        mine = (link[:, None] == lane[None, :]).astype(jnp.float32)
        return tuple(t + jnp.sum(mine * r[:, None], axis=0) for t, r in zip(total, rows, strict=True))

    def wrench_of(point: Components, force: Components) -> tuple[Array, ...]:
        return (*force, *pushes.moment(point, force))

    at = frames(skin_link_ref[tile_lanes])

    def skin_tile(tile: Array, carry):
        terms, felt = carry
        here = tile * TILE + tile_lanes
        point = _place(at, tuple(skin_ref[c, here] for c in range(3)))
        share = tuple(skin_ref[c, here] for c in (3, 4, 5))
        prior, exists = prior_ref[task, here], skin_ref[6, here]
        found, force = pushes.push_skin(fields, weights, point, prior, share, exists)
        added = tuple(a + b for a, b in zip(terms, found, strict=True))
        return added, tuple(a + b for a, b in zip(felt, wrench_of(point, force), strict=True))

    nothing = ((zero,) * 4, (jnp.zeros(TILE, jnp.float32),) * 6)
    terms, felt = jax.lax.fori_loop(0, skin_ref.shape[1] // TILE, skin_tile, nothing)
    wrench = collect((jnp.zeros(body.links, jnp.float32),) * 6, felt, skin_link_ref[tile_lanes])

    every = jnp.arange(touch_ref.shape[1])
    other = balls(every)

    def overlap_rows(chunk: Array, carry):
        energy, wrench = carry
        here = chunk * OVERLAPS_AT_ONCE + jnp.arange(OVERLAPS_AT_ONCE)
        center, touch = balls(here), touch_ref[here[:, None], every[None, :]]

        def overlapping():
            found, force = pushes.push_overlap(weights, center, other, touch)
            return energy + found, collect(wrench, wrench_of(center, force), ball_link_ref[here])

        return jax.lax.cond(
            pushes.overlap_reach(center, other, touch) > 0.0, overlapping, lambda: (energy, wrench)
        )

    chunks = -(-body.thins // OVERLAPS_AT_ONCE)
    overlap, wrench = jax.lax.fori_loop(0, chunks, overlap_rows, (zero, wrench))

    eight = jnp.arange(8)
    pad = balls(body.first_pad + eight)
    closure, force = pushes.push_pads(fields, weights, pad, pad_exists_ref[eight])
    wrench = collect(wrench, wrench_of(pad, force), ball_link_ref[body.first_pad + eight])

    groups = body.first_pad // SPHERES
    most = 1 << (body.first_pad - 1).bit_length()
    ball = jnp.minimum(jnp.arange(most), body.first_pad - 1)
    bit = 1 << jnp.arange(most // SPHERES)

    def probes_tile(tile: Array, carry):
        energy, wrench = carry
        which = tile * NEIGHBOURS + jnp.arange(NEIGHBOURS)
        probe = tuple(probes_ref[task, batch_ref[0], c, which] for c in range(3))
        # Which groups of spheres come near this tile's bounding sphere at all?
        middle = tuple(jnp.sum(p) * (1.0 / NEIGHBOURS) for p in probe)
        spread = jnp.sqrt(jnp.max(pushes.square(tuple(p - m for p, m in zip(probe, middle, strict=True)))))
        gap = pushes.square(tuple(c - m for c, m in zip(balls(ball), middle, strict=True)))
        reach = radius_ref[ball] + spread
        meets = jnp.max(fma(reach, reach, -gap).reshape(-1, SPHERES), axis=1) > 0.0
        near = jnp.sum(jnp.where(meets, bit, 0))

        def nearest_of(group: Array, best: Array) -> Array:
            here = group * SPHERES + jnp.arange(SPHERES)
            return jax.lax.cond(
                ((near >> group) & 1) == 1,
                lambda: jnp.minimum(
                    best, pushes.sphere_keys(probe, balls(here), radius_ref[here], here, body.most)
                ),
                lambda: best,
            )

        none = jnp.full((NEIGHBOURS, SPHERES), jnp.iinfo(jnp.int32).max, jnp.int32)

        def search():
            keys = jax.lax.fori_loop(0, groups, nearest_of, none)
            nearest = jnp.min(keys, axis=1) & ((1 << pushes.SPHERE_BITS) - 1)
            center = balls(nearest)
            found, force = pushes.push_probes(weights, probe, center, radius_ref[nearest])
            return jax.lax.cond(
                found > 0.0,
                lambda: (energy + found, collect(wrench, wrench_of(center, force), ball_link_ref[nearest])),
                lambda: (energy, wrench),
            )

        return jax.lax.cond(near > 0, search, lambda: (energy, wrench))

    inside, wrench = jax.lax.fori_loop(0, PROBES // NEIGHBOURS, probes_tile, (zero, wrench))

    if energies:
        for k, term in enumerate((*terms[:3], terms[3] + inside, overlap, closure)):
            terms_ref[grasp, k] = term
    for k, row in enumerate(wrench):
        wrench_ref[grasp, k, lane] = row


def _place(frame: tuple[Array, ...], local: Components) -> Components:
    """R x + p by component; `frame` is R by rows, then p."""
    a, b, c = local
    x, y, z = (
        fma(frame[3 * r], a, fma(frame[3 * r + 1], b, fma(frame[3 * r + 2], c, frame[9 + r])))
        for r in range(3)
    )
    return x, y, z


def _row_reader(ref, fields: int):
    """Loads of four words each, which Triton turns into one 16-byte load a thread."""

    def read(row: Array) -> tuple[Array, ...]:
        out = []
        four = jnp.arange(4).reshape((1,) * row.ndim + (4,))
        for k in range(fields):
            words = ref[row[..., None] * (4 * fields) + 4 * k + four]
            out += [jnp.sum(jnp.asarray(jnp.where(four == w, words, 0)), axis=-1) for w in range(4)]
        return tuple(out)

    return read


def _lattice(floats, ints, task: Array) -> Lattice:
    return Lattice(
        tuple(floats[task, c] for c in range(3)), floats[task, 3],  # type: ignore[arg-type]
        tuple(ints[task, c] for c in range(3)), ints[task, 3], ints[task, 4],  # type: ignore[arg-type]
    )  # fmt: skip
