"""What one batch of grasps is refined against, as arrays of one fixed shape."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial import KDTree

from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import build_point_distance_grid, pack_cells
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import TERMS, RefineConfig

#: Object points tested against the hand's spheres (the second sum of E_pen): each step takes one of the
#: BATCHES in turn, so that many points cost a step no more than few.
BATCHES, PROBES = 8, 256
#: How far from the hand region the hand may still run into the object, metres.
REACH = 0.10


_pack = jax.jit(pack_cells)


class Problem(NamedTuple):
    """Fields, targets and weights of one task; all data, no shape depends on the object.

    Attributes:
      cells: signed distance, distance to M_hand, distance to P_func at the eight corners of each cell.
      origin, spacing: of the grid, metres.
      probes: object surface points near the hand region, in batches.
      probe_weight: how many of the object's 4096 samples one probe of a batch stands for.
      prior: contact prior C of the chosen grasp type.
      weights: lambda_1..7 in the order of `TERMS`.
      tolerance: see `RefineConfig.skin_tolerance`.
    """

    cells: Float[Array, "nx ny nz 24"]
    origin: Float[Array, "3"]
    spacing: Float[Array, "3"]
    probes: Float[Array, "batches probes 3"]
    probe_weight: Float[Array, ""]
    prior: Float[Array, " vertices"]
    weights: Float[Array, "7"]
    tolerance: Float[Array, ""]


def build_problem(hand: HandModel, obj: ObjectModel, grasp: ReasonedGrasp, config: RefineConfig) -> Problem:
    """Distance fields and targets of one reasoned grasp.

    Raises:
      ValueError: a contact region is empty or nothing was reasoned.
    """
    if grasp.guidance is None or grasp.initial is None:
        raise ValueError(f"got no grasp to refine ({grasp.status}); expected status ok")
    hand_mask, func_mask = grasp.guidance.hand_mask, grasp.guidance.func_mask
    if config.ablation == "contact":
        hand_mask = func_mask = np.ones_like(hand_mask)
    if not hand_mask.any() or not func_mask.any():
        raise ValueError(
            "got an empty contact region; expected at least one surface sample in M_hand and P_func"
        )
    points = obj.samples.points
    to_hand = build_point_distance_grid(points[hand_mask], obj.sdf).values
    to_func = (
        to_hand
        if np.array_equal(hand_mask, func_mask)
        else build_point_distance_grid(points[func_mask], obj.sdf).values
    )
    probes, probe_weight = _probes(points, hand_mask)
    f32 = np.float32
    return Problem(
        cells=_pack(jnp.asarray(np.stack([obj.sdf.values, to_hand, to_func], axis=-1), f32)),
        origin=jnp.asarray(obj.sdf.origin, f32),
        spacing=jnp.asarray(obj.sdf.spacing, f32),
        probes=jnp.asarray(probes, f32),
        probe_weight=jnp.asarray(probe_weight, f32),
        prior=jnp.asarray(hand.grasp_types[grasp.initial.grasp_type].contact_prior, f32),
        weights=jnp.asarray([config.weights[t] for t in TERMS], f32),
        tolerance=jnp.asarray(config.skin_tolerance, f32),
    )


def _probes(points: np.ndarray, hand_mask: np.ndarray) -> tuple[np.ndarray, float]:
    """Samples within a hand's reach of the hand region, dealt evenly into batches."""
    distance, _ = KDTree(points[hand_mask]).query(points)
    near = np.flatnonzero(distance < REACH)
    total = BATCHES * PROBES
    if len(near) >= total:
        chosen = near[np.linspace(0, len(near) - 1, total).astype(int)]
    else:
        chosen = np.resize(near, total)
    order = np.random.default_rng(0).permutation(total)
    return points[chosen[order]].reshape(BATCHES, PROBES, 3), len(near) / PROBES
