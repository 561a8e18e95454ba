"""The optimiser loop with Adam in two kernels a step: `kernel.push_frames` and `kernel_motion.move`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from zdg_jax.hands.model import HandModel
from zdg_jax.refine import objective as ob
from zdg_jax.refine.kernel import frames_of, push_frames, task_rows
from zdg_jax.refine.kernel_motion import BETA1, BETA2, Motion, move
from zdg_jax.refine.objective import Variables
from zdg_jax.refine.targets import Tables, Targets

#: Steps between two looks at whether the loop is done: each look makes the GPU wait for the host.
BLOCK = 10


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
    """Steps first..last-1 of Adam for [p, k] grasps.

    Args:
      hand: static.
      tables, targets: of the batch.
      schedule: rate, decay, every (see `optimise.Schedule`).
      variables: G of every grasp.
      moments: Adam's first and second, zero before step 0.
      first, last: traced.
      interpret: run the kernels' steps as plain XLA, on any device.

    Returns:
      Variables and moments after the last step.
    """
    shape = variables.position.shape[:2]
    tasks, batches, seeds = task_rows(hand, targets), targets.probes.shape[1], shape[1]
    at = jax.vmap(jax.vmap(lambda v: ob.kinematics(hand, v)))(variables)
    hinge = jnp.concatenate([at.axis, at.anchor], axis=-1).reshape(shape[0] * seeds, -1).T
    state = jnp.concatenate([_rows(v) for v in (variables, *moments)])
    limit = targets.weights[:, 6]

    def step(k: Array, motion: Motion) -> Motion:
        _, wrench = push_frames(hand, tables, tasks, seeds, motion.frame, k % batches, False, interpret)
        rate = schedule.rate * schedule.decay ** (k // schedule.every).astype(jnp.float32)
        t = (k + 1).astype(jnp.float32)
        live = (k < last).astype(jnp.float32)
        scale = jnp.stack([rate, 1.0 / (1.0 - BETA1**t), 1.0 / (1.0 - BETA2**t), live])
        return move(hand, seeds, motion, wrench, limit, scale, interpret)

    def block(i: Array, motion: Motion) -> Motion:
        return jax.lax.fori_loop(0, BLOCK, lambda j, m: step(first + i * BLOCK + j, m), motion)

    blocks = -(-(last - first) // BLOCK)
    motion = jax.lax.fori_loop(0, blocks, block, Motion(state, frames_of(hand, at.links), hinge))
    v, m, n = (_unrows(x, shape) for x in jnp.split(motion.state, 3))
    return v, (m, n)


def _rows(v: Variables) -> Array:
    return jnp.concatenate([x.reshape(-1, x.shape[-1]).T for x in v])


def _unrows(rows: Array, shape: tuple[int, ...]) -> Variables:
    flat = rows.T
    parts = (flat[:, :3], flat[:, 3:7], flat[:, 7:])
    return Variables(*(x.reshape(*shape, x.shape[-1]) for x in parts))
