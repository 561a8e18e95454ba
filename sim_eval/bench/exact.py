"""Judging grasps of any path by one measure: eq. 8 with exact distances."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sim_eval.bench.pairwise import (
    SEARCHES_ON_CPU,
    Cloud,
    Measured,
    clouds,
    hand_points,
    measure,
    nearest,
    terms,
)
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import signed_distance
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.measure import NORMAL_STEP
from zdg_jax.refine.problem import Problem
from zdg_jax.refine.variables import to_field, to_variables

_STEPS = np.concatenate([np.zeros((1, 3)), NORMAL_STEP * np.eye(3), -NORMAL_STEP * np.eye(3)])


def exact_energy(
    hand: HandModel,
    obj: ObjectModel,
    problem: Problem,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> Float[np.ndarray, "k terms"]:
    """All energies, unweighted, in the order of `TERMS`.

    d_j = min_i |v_j - p_i| over the samples of the regions, phi by `objects.signed_distance` on the mesh,
    normals at the pads by central differences of it, all object samples.

    Args:
      hand: static.
      obj: with its mesh.
      problem: of the task on it, from `build_problem`.
      hand_pose: finite, object frame, metres and unit quaternions wxyz.
      joints: radians.
    """
    measured, energies = _compiled(hand)
    R = problem.field.R_field_obj
    cloud = jax.tree.map(lambda x: x[0], clouds([obj], [problem]))
    grasps = tuple(jnp.asarray(x, jnp.float32) for x in (to_field(R, hand_pose), joints))
    skin, pad, to_hand, to_func = measured(cloud, *grasps)
    k, vertices, pads = len(hand_pose), skin.shape[1], pad.shape[1]
    around = (np.asarray(pad)[:, :, None] + _STEPS).reshape(k, -1, 3)
    points = np.concatenate([np.asarray(skin), around], axis=1).reshape(-1, 3).astype(np.float64)
    phi = signed_distance(obj.mesh, points @ R).reshape(k, -1)
    at_pad = phi[:, vertices:].reshape(k, pads, len(_STEPS))
    normal = at_pad[..., 1:4] - at_pad[..., 4:]
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    known = (jnp.asarray(x, jnp.float32) for x in (phi[:, :vertices], at_pad[..., 0], normal))
    return np.asarray(energies(cloud, *grasps, Measured(to_hand, to_func, *known)), dtype=np.float64)


@lru_cache(maxsize=8)
def _compiled(hand: HandModel):
    def measured(cloud: Cloud, pose: Array, q: Array) -> tuple[Array, Array, Array, Array]:
        skin, _, pad = hand_points(hand, to_variables(pose, q))
        chosen = nearest(cloud, jnp.concatenate([skin, pad]), SEARCHES_ON_CPU[0])
        at = measure(cloud, skin, pad, chosen)
        return skin, pad, at.to_hand, at.to_func

    def energies(cloud: Cloud, pose: Array, q: Array, at: Measured) -> Array:
        v = to_variables(pose, q)
        return terms(hand, cloud, v, hand_points(hand, v), at, None)

    def all_measured(cloud: Cloud, poses: Array, joints: Array) -> tuple[Array, ...]:
        return jax.lax.map(lambda x: measured(cloud, *x), (poses, joints))

    return jax.jit(all_measured), jax.jit(jax.vmap(energies, (None, 0, 0, 0)))
