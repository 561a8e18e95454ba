"""Final energies of all paths by one exact measure, and speed against the pairwise reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sim_eval.bench.monitor import lookup_work, pairwise_work, roofline
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
from sim_eval.bench.paths import PathRun
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import signed_distance
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine import TERMS, RefineConfig, Task
from zdg_jax.refine.measure import NORMAL_STEP
from zdg_jax.refine.problem import Problem, build_problem
from zdg_jax.refine.variables import to_field, to_variables

# Judging grasps of any path by one measure: eq. 8 with exact distances.
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


#: How much worse than pairwise's an energy may be.
MARGIN = 0.01


def exact_terms(
    hand: HandModel, tasks: Sequence[Task], run: PathRun, numbers: Sequence[int] | None, each: int
) -> Float[np.ndarray, "n terms"]:
    """`exact_energy` of the first `each` grasps of these tasks; NaN for one that isn't finite.

    Args:
      hand: static.
      tasks: to look at.
      run: holds their grasps.
      numbers: where in `run`; in order if None.
      each: grasps a task.
    """
    found = []
    for place, task in enumerate(tasks):
        at = place if numbers is None else numbers[place]
        pose, joints = run.pose[at][:each], run.joints[at][:each]
        sound = np.asarray(np.isfinite(np.concatenate([pose, joints], axis=1)).all(axis=1))[:, None]
        stand_in = np.array([0.0, 0, 0, 1, 0, 0, 0])
        problem = build_problem(hand, task.obj, task.grasp, RefineConfig())
        terms = exact_energy(
            hand, task.obj, problem, np.where(sound, pose, stand_in),
            np.where(sound, joints, hand.open_joints),
        )  # fmt: skip
        found.append(np.where(sound, terms, np.nan))
    return np.concatenate(found)


def figures_of(
    hand: HandModel, path: str, runs: dict[str, PathRun], terms: dict[str, np.ndarray],
    most: dict[str, float], samples: int, config: RefineConfig,
) -> dict[str, Any]:  # fmt: skip
    """All that the report says of one path.

    Args:
      hand: static.
      path: its name.
      runs, terms: by path; `terms` from `exact_terms`, of the same starts.
      most: from `ceilings`.
      samples: of an object.
      config: gives the weights.
    """
    figures = runs[path].figures
    weights = config.lambdas()
    own = terms[path] @ weights
    work = pairwise_work(hand, samples) if path == "pairwise" else lookup_work(hand)
    row = {
        **figures,
        "energy": {
            "grasps": len(own),
            "mean": float(np.nanmean(own)),
            "median": float(np.nanmedian(own)),
            "terms": dict(zip(TERMS, np.nanmean(terms[path] * weights, axis=0).tolist(), strict=True)),
        },
        "roofline": roofline(work, figures["grasp_steps_per_s"] / figures["devices"], most),
    }
    if "pairwise" in runs:
        other = runs["pairwise"].figures
        row["ratio_to_pairwise"] = figures["grasps_per_s"] / figures["devices"] / other["grasps_per_s"]
        row["step_ratio_to_pairwise"] = (
            figures["grasp_steps_per_s"] / figures["devices"] / other["grasp_steps_per_s"]
        )
        # a CPU's cores are not used alike by all paths
        row["processor_ratio_to_pairwise"] = (
            other["run_cpu_s"] / other["grasps"] / (figures["run_cpu_s"] / figures["grasps"])
        )
        row["energy"] |= compared(own, terms["pairwise"] @ weights)
    return row


def compared(own: Float[np.ndarray, " n"], reference: Float[np.ndarray, " n"]) -> dict[str, Any]:
    """Energies of the same starts against a reference.

    Args:
      own, reference: totals; grasps of which one is NaN are left out.

    Returns:
      `ratio` of the means with `ratio_ci95` (bootstrap over grasps), `not_worse`: the share of grasps at
      most MARGIN above the reference.
    """
    both = np.isfinite(own) & np.isfinite(reference)
    a, b = own[both], reference[both]
    if not len(a):
        return {"ratio": None, "ratio_ci95": None, "not_worse": None}
    draw = np.random.default_rng(0).integers(len(a), size=(2000, len(a)))
    ratios = a[draw].mean(axis=1) / b[draw].mean(axis=1)
    return {
        "ratio": float(a.mean() / b.mean()),
        "ratio_ci95": np.percentile(ratios, [2.5, 97.5]).tolist(),
        "not_worse": float(np.mean(a <= b * (1 + MARGIN))),
    }
