"""One reasoned grasp as arrays on the host, and the targets of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel, SignedDistanceField
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.samples import Dealt, Surface, deal, surface_of

#: How far from its key point a pad may lie before E_point draws it, metres: of the thumb, of the index
#: finger. Somewhat less than `aims.AT_POINT`: most pads end there. At half of it hands stood deeper.
NEAR_POINT = 0.012, 0.008
#: What stands for that of a pad without a point, metres: finite, since the kernel multiplies by masks of 0.
NO_POINT = 1e3


class Tables(NamedTuple):
    """Fields of all objects and tasks of a batch, laid end to end; a Grid says where each begins.

    Attributes:
      entries, rows: of `SignedDistanceField`.
      regions: a row a cell, four words of distance to M_hand^3d, four of distance to P_func^3d.
    """

    entries: Int[Array, " entries"]
    rows: UInt32[Array, "rows 4"]
    regions: UInt32[Array, "cells 8"]


class Targets(NamedTuple):
    """One entry a task (a leading axis `p` for many). A single grasp's has the prior of its own type.

    Attributes:
      grid: of the object's coarse cells, where signed distance and region distances are stored.
      object_samples: surface points near the hand region and points that the hand must leave free, in
        batches, by component; field frame, metres.
      sample_weight: how many of them one of a batch stands for.
      prior: contact prior C of every grasp type of the hand; each start has one.
      key_points: of every pad: x, y, z of its point in the field frame, and how far from it is near enough
        (`NO_POINT` without one), metres.
      kind: which, of each start.
      weights: λ in the order of `energies.TERMS`.
      tolerance: see `RefineConfig.skin_tolerance`.
    """

    grid: Grid
    object_samples: Float[Array, "*p batches 3 samples"]
    sample_weight: Float[Array, "*p"]
    prior: Float[Array, "*p vertices"]
    key_points: Float[Array, "*p 4 pads"]
    kind: Int[Array, "*k"]
    weights: Float[Array, "*p terms"]
    tolerance: Float[Array, "*p"]


def of_start(targets: Targets, kind: Int[Array, ""]) -> Targets:
    """The targets of one start of a task: the prior is that of its type."""
    return targets._replace(prior=targets.prior[kind])


def by_start(targets: Targets, num_starts: int) -> Targets:
    """With a type for each of the starts, where only one a task is given."""
    kind = targets.kind
    if kind.ndim == 1:
        kind = jnp.repeat(kind[:, None], num_starts, axis=1)
    return targets._replace(kind=kind)


@dataclass(frozen=True, eq=False)
class Problem:
    """Fields and targets of one task; field frame, metres. `status` is "ok" or why it can't be refined.

    Attributes:
      status, reason: "empty_region", "field_edge" or "not_reasoned", and one sentence.
      field: of the object; problems of one object share it.
      surface: of the object, likewise shared.
      hand_mask, func_mask: M_hand^3d and P_func^3d among its samples.
      free: points in the air that the hand must leave free; E_pen takes them for samples of the object.
      prior, key_points, weights, tolerance: see `Targets`; so are `object_samples` and `sample_weight`, dealt
        when first asked for, or by `deal_all`.
      kind: the type of the reasoned grasp, by its place in the hand's card.
    """

    status: str
    reason: str
    field: SignedDistanceField
    surface: Surface
    hand_mask: Bool[np.ndarray, " samples"]
    func_mask: Bool[np.ndarray, " samples"]
    free: Float[np.ndarray, "points 3"]
    prior: Float[np.ndarray, "types vertices"]
    key_points: Float[np.ndarray, "4 pads"]
    kind: int
    weights: Float[np.ndarray, " terms"]
    tolerance: float

    @property
    def points(self) -> Float[np.ndarray, "samples 3"]:
        """Surface samples."""
        return self.surface.points

    @property
    def object_samples(self) -> Float[np.ndarray, "batches 3 samples"]:
        return self._dealt.samples

    @property
    def sample_weight(self) -> float:
        return self._dealt.weight

    @cached_property
    def _dealt(self) -> Dealt:
        return deal([(self.surface, self.hand_mask, self.free)])[0]


def deal_all(problems: Sequence[Problem]) -> None:
    """Deal the object samples of all of these at once, in place of one by one when they are asked for."""
    new = list({id(p): p for p in problems if "_dealt" not in vars(p)}.values())
    for p, dealt in zip(new, deal([(p.surface, p.hand_mask, p.free) for p in new]), strict=True):
        vars(p)["_dealt"] = dealt  # where `cached_property` keeps it


def build_problem(hand: HandModel, obj: ObjectModel, grasp: ReasonedGrasp, config: RefineConfig) -> Problem:
    """What one reasoned grasp is refined against.

    A task that can't be refined gets a status instead, and stand-in arrays: it fills its place in the batch
    without touching the others.

    Args:
      hand: gives the contact prior.
      obj: the object that `grasp` was reasoned on.
      grasp: guidance and initial grasp.
      config: weights, tolerance, ablation.
    """
    surface = surface_of(obj)
    everything = np.ones(len(surface.points), dtype=bool)
    hand_mask = func_mask = everything
    free = np.zeros((0, 3))
    kinds = list(hand.grasp_types)
    prior, kind, weights, key = _priors(hand), 0, config.lambdas(), _key_points(hand, None)
    status, reason = _check(obj.field, surface)
    if grasp.guidance is None or grasp.initial is None:
        status, reason = "not_reasoned", f"got no grasp to refine ({grasp.status}); expected status ok"
    else:
        kind = kinds.index(grasp.initial.grasp_type)
        if config.ablation != "contact":
            hand_mask, func_mask = grasp.guidance.hand_mask, grasp.guidance.func_mask
            if config.hypotheses > 1:  # not the paper's
                free = grasp.guidance.free_points @ obj.field.R_field_obj.T
                if grasp.guidance.p_obj_points is not None:
                    key = _key_points(hand, grasp.guidance.p_obj_points @ obj.field.R_field_obj.T)
        if not hand_mask.any() or not func_mask.any():
            status = "empty_region"
            reason = "got an empty contact region; expected at least one surface sample in M_hand and P_func"
            hand_mask = func_mask = everything
            free = np.zeros((0, 3))
    return Problem(
        status=status,
        reason=reason,
        field=obj.field,
        surface=surface,
        hand_mask=hand_mask,
        func_mask=func_mask,
        free=free,
        prior=prior,
        key_points=key,
        kind=kind,
        weights=weights,
        tolerance=config.skin_tolerance,
    )


def _key_points(
    hand: HandModel, p_field_points: Float[np.ndarray, "2 3"] | None
) -> Float[np.ndarray, "4 pads"]:
    """See `Targets.key_points`: those of thumb and index finger, where there are any."""
    found = np.zeros((4, len(hand.pad_names)))
    found[3] = NO_POINT
    if p_field_points is not None:
        for place, point, reach in zip(hand.functional_pads, p_field_points, NEAR_POINT, strict=True):
            if place is not None:
                found[:, place] = *point, reach
    return found


@lru_cache(maxsize=16)
def _priors(hand: HandModel) -> Float[np.ndarray, "types vertices"]:
    """C of every grasp type."""
    return np.stack([kind.contact_prior for kind in hand.grasp_types.values()])


def _check(field: SignedDistanceField, surface: Surface) -> tuple[str, str]:
    low, high = field.bounds
    if (surface.bounds[0] < low).any() or (surface.bounds[1] > high).any():
        reason = "got an object that reaches beyond its distance field; expected the field to hold it"
        return "field_edge", reason
    return "ok", ""
