"""What one batch of grasps is refined against, as arrays of one fixed shape."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import build_point_distance_grid, pack_cells
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import TERMS, RefineConfig

#: Object points tested against the hand's spheres (the second sum of E_pen).
PROBES = 256


_pack = jax.jit(pack_cells)


class Problem(NamedTuple):
    """Fields, targets and weights of one task; all data, no shape depends on the object.

    Attributes:
      cells: signed distance, distance to M_hand, distance to P_func at the eight corners of each cell.
      origin, spacing: of the grid, metres.
      probes: object surface points near the hand region.
      prior: contact prior C of the chosen grasp type.
      weights: lambda_1..7 in the order of `TERMS`.
      tolerance: see `RefineConfig.skin_tolerance`.
    """

    cells: Float[Array, "nx ny nz 24"]
    origin: Float[Array, "3"]
    spacing: Float[Array, "3"]
    probes: Float[Array, "probes 3"]
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
    center = points[hand_mask].mean(axis=0)
    near = np.argsort(np.linalg.norm(points - center, axis=1))[: max(PROBES, int(hand_mask.sum()))]
    probes = points[near[np.linspace(0, len(near) - 1, PROBES).astype(int)]]
    f32 = np.float32
    return Problem(
        cells=_pack(jnp.asarray(np.stack([obj.sdf.values, to_hand, to_func], axis=-1), f32)),
        origin=jnp.asarray(obj.sdf.origin, f32),
        spacing=jnp.asarray(obj.sdf.spacing, f32),
        probes=jnp.asarray(probes, f32),
        prior=jnp.asarray(hand.grasp_types[grasp.initial.grasp_type].contact_prior, f32),
        weights=jnp.asarray([config.weights[t] for t in TERMS], f32),
        tolerance=jnp.asarray(config.skin_tolerance, f32),
    )
