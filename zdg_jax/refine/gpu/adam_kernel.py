"""Whole steps of Adam for a batch as one Pallas (Triton) kernel: one warp a grasp, many steps a launch.

A warp keeps its grasp from step to step: kinematics with a lane a segment, the groups of `groups`, J^T
and Adam with a lane a variable. Nothing but the tables is read, and no step waits for another grasp's.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float, Int

from zdg_jax._ptx import fma, fused, sine_cosine
from zdg_jax.hands.model import HandModel, posture_rows
from zdg_jax.refine.energies import Joints, functions_of, group_energy
from zdg_jax.refine.gpu.groups import barrier, link_gradients, place
from zdg_jax.refine.gpu.layout import BASE, LANES, NO_SEGMENT, ROWS, KernelLayout, kernel_layout, segments
from zdg_jax.refine.gpu.memory import (
    HandRows,
    TaskRows,
    View,
    flat,
    flat_shapes,
    hand_rows,
    table_words,
    task_rows,
    views,
)
from zdg_jax.refine.problem import Tables, Targets
from zdg_jax.refine.seams import pair_excess
from zdg_jax.refine.variables import POSITION_UNIT, Variables

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # optax.scale_by_adam's
#: Steps a launch.
STEPS = 20
#: Rows of what lanes tell each other, after gradients by shift and turn: the variables, and dE by hinge.
X, HINGE = 6, 7


class MoveRows(NamedTuple):
    """Constants of `Segments`, and the joints' limits and mask, as the kernel reads them."""

    parent: Any
    joint: Any
    turns_share: Any
    turns: Any
    turned_share: Any
    turned: Any
    offset: Any
    children: Any
    limits: Any
    joint_mask: Any
    partner: Any
    posture: Any


def move_rows(hand: HandModel) -> MoveRows:
    """As arguments of a call."""
    tree, active = segments(hand), len(hand.active_names)
    limits = np.array([[-1.0], [1.0]]) * np.full((2, LANES), np.finfo(np.float32).max, np.float64)
    limits[:, BASE : BASE + active] = hand.lower, hand.upper
    mask = np.zeros(LANES, np.float32)
    mask[BASE : BASE + active] = 1.0
    limited = posture_rows(hand.posture, active)
    number = len(limited.partner)
    size = 1 << (number - 1).bit_length()  # Triton's arrays are powers of two
    partner = np.zeros((size, LANES), np.int32)
    partner[:number, BASE : BASE + active] = BASE + limited.partner
    posture = np.zeros((4, size, LANES), np.float32)
    posture[:, :number, BASE : BASE + active] = limited.own, limited.other, limited.bound, limited.weight
    rows = (
        tree.parent, tree.joint, *tree.turns, *tree.turned, tree.offset, tree.children,
        limits.astype(np.float32), mask, partner, posture,
    )  # fmt: skip
    return MoveRows(*(jnp.asarray(x) for x in rows))


def advance_adam(
    hand: HandModel,
    tables: Tables,
    targets: Targets,
    schedule: Any,
    variables: Variables,
    moments: tuple[Variables, Variables],
    first: Int[Array, ""],
    last: Int[Array, ""],
    interpret: bool = False,
) -> tuple[Variables, tuple[Variables, Variables]]:
    """Steps first..last-1 of Adam for [p, k] grasps: x -= rate m^ / (sqrt(v^) + eps).

    Args:
      hand: static.
      tables, targets: of the batch.
      schedule: rate, decay, every (see `optimize.Schedule`).
      variables: G of every grasp.
      moments: Adam's first and second, zero before step 0.
      first, last: traced.
      interpret: run the kernel's steps as plain XLA, on any device.

    Returns:
      Variables and moments after the last step.
    """
    shape, batches = variables.position.shape[:2], targets.object_samples.shape[1]
    rows = (
        *task_rows(hand, targets, shape[1]),
        *table_words(tables),
        *hand_rows(kernel_layout(hand, moving=True)),
    )
    state = jnp.stack([_lanes(v) for v in (variables, *moments)], axis=1)

    def launch(i: Array, state: Array) -> Array:
        k = first + i * STEPS + jnp.arange(STEPS)
        t = (k + 1).astype(jnp.float32)
        rate = schedule.rate * schedule.decay ** (k // schedule.every).astype(jnp.float32)
        scale = jnp.stack([rate, 1.0 / (1.0 - BETA1**t), 1.0 / (1.0 - BETA2**t)], axis=1)
        left = jnp.minimum(last - k[0], STEPS)
        batch = jnp.concatenate([left[None], k % batches, jnp.zeros(1, k.dtype)]).astype(jnp.int32)
        return _launch(hand, shape[1], interpret, state, scale, batch, rows)

    state = jax.lax.fori_loop(0, -(-(last - first) // STEPS), launch, state)
    v, m, n = (_variables(state[:, c], len(hand.active_names), shape) for c in range(3))
    return v, (m, n)


def _launch(hand: HandModel, seeds: int, interpret: bool, state, scale, batch, rows: tuple) -> Array:
    body, tree, total = kernel_layout(hand, moving=True), segments(hand), state.shape[0]
    scratch = ((12, LANES), (3, body.ball.shape[1]), (8, ROWS), (8, LANES + 8))
    given = (state, scale, batch, *move_rows(hand), *rows)
    made = [(total, *x) for x in (state.shape[1:], *scratch)]
    new, *_ = pl.pallas_call(
        partial(_program, body, tree.depth, seeds, not interpret, [x.shape for x in given] + made),
        grid=(total,),
        out_shape=flat_shapes(made),
        input_output_aliases={0: 0},
        compiler_params=plgpu.CompilerParams(num_warps=1, num_stages=1),
        interpret=interpret,
        name="steps",
    )(*flat(given))
    return new.reshape(state.shape)


def _program(body: KernelLayout, depth: int, seeds: int, cuda: bool, shapes: list, *refs) -> None:
    old, scale, batch, *rest = views(refs, shapes)
    *rest, new, frame, placed, sums, told_all = rest
    moves, tasks = len(MoveRows._fields), len(TaskRows._fields)
    tables_at, hand_at = moves + tasks, moves + tasks + 3
    with fused() if cuda else nullcontext():
        grasp, lane = pl.program_id(0), jnp.arange(LANES)
        for row in range(6):
            told_all.row(grasp)[row, NO_SEGMENT + jnp.arange(8)] = jnp.zeros(8, jnp.float32)

        for c in range(3):
            new.row(grasp)[c, lane] = old.row(grasp)[c, lane]

        def step(k: Array, nothing: Array) -> Array:
            # A zero that the compiler does not know, in every address: else it works out hundreds of them
            # before the loop and keeps them in registers, and fewer warps fit.
            nought = batch[1 + STEPS]
            given = [View(r.ref, r.shape, r.first + nought) for r in rest]
            state, pose, ball, row, told = (
                r.row(grasp + nought) for r in (new, frame, placed, sums, told_all)
            )
            move, hand = MoveRows(*given[:moves]), HandRows(*given[hand_at:])
            tables = tuple(rest[tables_at:hand_at])
            task = TaskRows(*given[moves:tables_at]).of_grasp(grasp, seeds)
            x = state[0, lane]
            sound = jnp.max(jnp.abs(x - x)) == 0.0
            _kinematics(depth, move, pose, told, jnp.asarray(jnp.where(sound, x, 1.0)))
            _, grad = link_gradients(body, hand, task, tables, (pose, ball, row), batch[1 + k])
            slope = _slope(depth, move, pose, told, grad, task.weights)
            x, m, v = (state[c, lane] for c in range(3))
            g = jnp.where(jnp.max(jnp.abs(x - x)) == 0.0, slope, jnp.nan)
            rate, first, second = (scale[k, c] for c in range(3))
            m = fma(m, BETA1, (1 - BETA1) * g)
            v = fma(v, BETA2, (1 - BETA2) * g * g)
            state[0, lane] = x - rate * (m * first) / (jnp.sqrt(v * second) + EPSILON)
            state[1, lane], state[2, lane] = m, v
            barrier()
            return nothing

        jax.lax.fori_loop(0, batch[0], step, jnp.float32(0.0))


def _kinematics(depth: int, move: MoveRows, frame: View, told: View, x: Array) -> None:
    """Writes every segment's frame, and x."""
    lane = jnp.arange(LANES)
    told[X, lane] = x
    barrier()
    px, py, pz, w, i, j, k = (told[X, n] for n in range(BASE))
    s = 2.0 / (w * w + i * i + j * j + k * k)
    base = (
        1.0 - s * (j * j + k * k), s * (i * j - w * k), s * (i * k + w * j),
        s * (i * j + w * k), 1.0 - s * (i * i + k * k), s * (j * k - w * i),
        s * (i * k - w * j), s * (j * k + w * i), 1.0 - s * (i * i + j * j),
        POSITION_UNIT * px, POSITION_UNIT * py, POSITION_UNIT * pz,
    )  # fmt: skip
    angle = move.offset[lane]
    for n in range(move.turns.shape[0]):
        angle = fma(move.turns_share[n, lane], told[X, move.turns[n, lane]], angle)
    sine, cosine = sine_cosine(angle)
    local = tuple(move.joint[c, lane] for c in range(12))
    parent, root = move.parent[lane], lane == 0

    def store(pose: tuple[Array, ...]) -> None:
        for c, value in enumerate(pose):
            frame[c, lane] = value
        barrier()

    store(tuple(jnp.broadcast_to(b, (LANES,)) for b in base))

    def deeper(_: Array, nothing: Array) -> Array:
        # after n rounds every segment at depth n stands right, and all above it
        above = tuple(frame[c, parent] for c in range(12))
        barrier()
        a, b, z = (
            [_dot(above[3 * r : 3 * r + 3], (local[c], local[3 + c], local[6 + c])) for r in range(3)]
            for c in range(3)
        )
        x = [fma(cosine, p, sine * q) for p, q in zip(a, b, strict=True)]
        y = [fma(cosine, q, -sine * p) for p, q in zip(a, b, strict=True)]
        found = [row[r] for r in range(3) for row in (x, y, z)] + list(place(above, local[9:]))
        store(tuple(jnp.asarray(jnp.where(root, b, f)) for b, f in zip(base, found, strict=True)))
        return nothing

    jax.lax.fori_loop(0, depth, deeper, jnp.float32(0.0))


def _slope(
    depth: int, move: MoveRows, frame: View, told: View, own: tuple[Array, ...], weights: View
) -> Array:
    """dE/dx by lanes of variables; see `seams.variables_gradient`. `own` are each segment's own gradients."""
    lane = jnp.arange(LANES)

    def store(grad: tuple[Array, ...]) -> None:
        for c, row in enumerate(grad):
            told[c, lane] = row
        barrier()

    store(own)

    def gather(_: Array, __: tuple[Array, ...]) -> tuple[Array, ...]:
        # after n rounds every segment has all that is at most n below it
        def add(n: Array, total: tuple[Array, ...]) -> tuple[Array, ...]:
            child = move.children[n, lane]
            return tuple(t + told[c, child] for c, t in enumerate(total))

        total = jax.lax.fori_loop(0, move.children.shape[0], add, own)
        barrier()
        store(total)
        return total

    total = jax.lax.fori_loop(0, depth, gather, own)
    grad_p, grad_w = total[:3], total[3:]
    axis, anchor = (tuple(frame[c, lane] for c in cs) for cs in ((2, 5, 8), (9, 10, 11)))
    x = told[X, lane]
    told[HINGE, lane] = _dot(axis, tuple(m - n for m, n in zip(grad_w, _cross(anchor, grad_p), strict=True)))
    barrier()
    slope = _joints_slope(move, told, x, weights)
    for n in range(move.turned.shape[0]):
        slope = fma(move.turned_share[n, lane], told[HINGE, move.turned[n, lane]], slope)
    f = tuple(told[c, 0] for c in range(3))
    px, py, pz, w, i, j, k = (told[X, n] for n in range(BASE))
    lever = _cross((POSITION_UNIT * px, POSITION_UNIT * py, POSITION_UNIT * pz), f)
    a, b, c = (told[3 + n, 0] - lever[n] for n in range(3))
    twice = 2.0 / (w * w + i * i + j * j + k * k)  # 2 / |q| for the length, 1 / |q| for a unit one
    spin = (-(a * i + b * j + c * k), w * a + b * k - c * j, w * b + c * i - a * k, w * c + a * j - b * i)
    for n, value in enumerate([POSITION_UNIT * v for v in f] + [twice * v for v in spin]):
        slope = jnp.where(lane == n, value, slope)
    return slope


def _joints_slope(move: MoveRows, told: View, x: Array, weights: View) -> Array:
    """dE/dx of the terms that read the joints themselves; other lanes are padding."""
    lane, number = jnp.arange(LANES), move.posture.shape[1]
    mask, lower, upper = move.joint_mask[lane], move.limits[0, lane], move.limits[1, lane]
    lam = {k: weights[k] for k, _ in functions_of("joints")}
    row = jnp.arange(number)[:, None]
    partner = told[X, move.partner[row, lane[None]]]
    own, other, bound, share = (move.posture[k, row, lane[None]] for k in range(4))

    def energy(x: Array) -> Array:
        angle = jnp.asarray(jnp.where(mask > 0.0, x, 0.0))
        excess = pair_excess(angle, partner, own, other, bound, share)
        return group_energy("joints", Joints(angle, lower, upper, mask, excess, share), lam)[0]

    total, back = jax.vjp(energy, x)
    return back(jnp.ones_like(total))[0]


def _dot(a: tuple[Array, ...], b: tuple[Array, ...]) -> Array:
    return fma(a[0], b[0], fma(a[1], b[1], a[2] * b[2]))


def _cross(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
    (x, y, z), (u, v, w) = a, b
    return fma(y, w, -z * v), fma(z, u, -x * w), fma(x, v, -y * u)


def _lanes(v: Variables) -> Float[Array, "b lanes"]:
    flat = jnp.concatenate([x.reshape(-1, x.shape[-1]) for x in v], axis=1)
    return jnp.pad(flat, ((0, 0), (0, LANES - flat.shape[1])))


def _variables(rows: Array, active: int, shape: tuple[int, ...]) -> Variables:
    parts = (rows[:, :3], rows[:, 3:BASE], rows[:, BASE : BASE + active])
    return Variables(*(x.reshape(*shape, x.shape[-1]) for x in parts))
