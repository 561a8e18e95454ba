"""Energies and gradients of a batch as one Pallas (Triton) kernel for NVIDIA: one warp a grasp."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float, Int

from zdg_jax._ptx import fused
from zdg_jax.hands.kinematics import Transform, quat_to_matrix
from zdg_jax.hands.model import HandModel
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.gpu.groups import link_gradients
from zdg_jax.refine.gpu.layout import LANES, ROWS, KernelLayout, kernel_layout
from zdg_jax.refine.gpu.memory import (
    HandRows,
    TaskRows,
    flat,
    flat_shapes,
    hand_rows,
    table_words,
    task_rows,
    views,
)
from zdg_jax.refine.problem import Tables, Targets

#: One warp a program: nothing waits at a barrier, and enough programs share a multiprocessor to hide loads.
WARPS = 1


class Measured(NamedTuple):
    """E_k of every grasp but for what the joints add, and the gradient of their sum by the links.

    `grad_w` is by a turn about the axes of the field frame.
    """

    terms: Float[Array, "p k terms"]
    grad_p: Float[Array, "p k links 3"]
    grad_w: Float[Array, "p k links 3"]


def measure_kernel(
    hand: HandModel,
    tables: Tables,
    targets: Targets,
    links: Transform,
    batch: Int[Array, ""],
    interpret: bool = False,
) -> Measured:
    """What [p, k] grasps measure, k of each of p tasks.

    Args:
      hand: static.
      tables, targets: of the batch; targets with a leading axis p.
      links: [p, k, links, ...], field frame.
      batch: the batch of object samples that this step tests.
      interpret: run the kernel's steps as plain XLA, on any device.
    """
    tasks, seeds, count = *links.pos.shape[:2], len(hand.link_names)
    body, frame = kernel_layout(hand), _frames(hand, links)
    total = frame.shape[0]
    given = (
        frame, batch.astype(jnp.int32)[None], *task_rows(hand, targets, seeds), *table_words(tables),
        *hand_rows(body),
    )  # fmt: skip
    made = ((total, len(TERMS)), (total, 6, LANES), (total, 3, body.ball.shape[1]), (total, 8, ROWS))
    terms, grad, *_ = pl.pallas_call(
        partial(_program, body, seeds, not interpret, [x.shape for x in given] + list(made)),
        grid=(total,),
        out_shape=flat_shapes(made),
        compiler_params=plgpu.CompilerParams(num_warps=WARPS, num_stages=1),
        interpret=interpret,
        name="measure",
    )(*flat(given))
    grad = jnp.transpose(grad.reshape(made[1])[:, :, :count], (0, 2, 1)).reshape(tasks, seeds, count, 6)
    return Measured(terms.reshape(tasks, seeds, len(TERMS)), grad[..., :3], grad[..., 3:])


def _frames(hand: HandModel, links: Transform) -> Float[Array, "b 12 lanes"]:
    """R by rows and p of all links of all grasps, padded to the kernel's lanes."""
    count = len(hand.link_names)
    rot = jax.vmap(quat_to_matrix)(links.rot.reshape(-1, 4)).reshape(-1, count, 9)
    frame = jnp.concatenate([rot, links.pos.reshape(-1, count, 3)], axis=2)
    return jnp.pad(jnp.transpose(frame, (0, 2, 1)), ((0, 0), (0, 0), (0, LANES - count)))


def _program(body: KernelLayout, seeds: int, cuda: bool, shapes: list, *refs) -> None:
    frame, batch, *rest = views(refs, shapes)
    *rest, terms_out, grad_out, placed, sums = rest
    tasks, tables = len(TaskRows._fields), 3
    with fused() if cuda else nullcontext():
        grasp = pl.program_id(0)
        task = TaskRows(*rest[:tasks]).of_grasp(grasp, seeds)
        scratch = (frame.row(grasp), placed.row(grasp), sums.row(grasp))
        hand = HandRows(*rest[tasks + tables :])
        terms, grad = link_gradients(body, hand, task, tuple(rest[tasks : tasks + tables]), scratch, batch[0])
        for k, term in enumerate(terms):
            terms_out.row(grasp)[k] = term
        for k, row in enumerate(grad):
            grad_out.row(grasp)[k, jnp.arange(LANES)] = row
