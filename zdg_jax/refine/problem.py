"""One reasoned grasp as arrays on the host, and the targets of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel, SignedDistanceField
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.config import RefineConfig

#: Object points tested against the hand's spheres (the second sum of E_pen): each step takes one of the
#: BATCHES in turn, so that many points cost a step no more than few.
BATCHES, SAMPLES = 8, 256
#: So many samples in a row lie close together: what the kernel tests at once against a group of spheres.
NEIGHBOURS = 32
#: How far from its key point a pad may lie before E_point draws it, metres: of the thumb, of the index
#: finger. Somewhat less than `aims.AT_POINT`: most pads end there. At half of it hands stood deeper.
NEAR_POINT = 0.012, 0.008
#: What stands for that of a pad without a point, metres: finite, since the kernel multiplies by masks of 0.
NO_POINT = 1e3
_DEAL = np.random.default_rng(0).permutation(BATCHES * SAMPLES)


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


#: How far from the hand region the hand may still run into the object, metres.
REACH = 0.10


@dataclass(frozen=True, eq=False)
class Problem:
    """Fields and targets of one task; field frame, metres. `status` is "ok" or why it can't be refined.

    Attributes:
      status, reason: "empty_region", "field_edge" or "not_reasoned", and one sentence.
      field: of the object; problems of one object share it.
      points, hand_mask, func_mask: surface samples, M_hand^3d and P_func^3d.
      free: points in the air that the hand must leave free; E_pen takes them for samples of the object.
      prior, key_points, weights, tolerance: see `Targets`; so are `object_samples` and `sample_weight`, dealt
        when first asked for.
      kind: the type of the reasoned grasp, by its place in the hand's card.
    """

    status: str
    reason: str
    field: SignedDistanceField
    points: Float[np.ndarray, "samples 3"]
    hand_mask: Bool[np.ndarray, " samples"]
    func_mask: Bool[np.ndarray, " samples"]
    free: Float[np.ndarray, "points 3"]
    prior: Float[np.ndarray, "types vertices"]
    key_points: Float[np.ndarray, "4 pads"]
    kind: int
    weights: Float[np.ndarray, " terms"]
    tolerance: float

    @property
    def object_samples(self) -> Float[np.ndarray, "batches 3 samples"]:
        return self._dealt[0]

    @property
    def sample_weight(self) -> float:
        return self._dealt[1]

    @cached_property
    def _dealt(self) -> tuple[np.ndarray, float]:
        return _object_samples(self.points, self.hand_mask, self.free)


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
    points = obj.samples.points @ obj.field.R_field_obj.T
    everything = np.ones(len(points), dtype=bool)
    hand_mask = func_mask = everything
    free = np.zeros((0, 3))
    kinds = list(hand.grasp_types)
    prior, kind, weights, key = _priors(hand), 0, config.lambdas(), _key_points(hand, None)
    status, reason = _check(obj.field, points)
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
        points=points,
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


def _priors(hand: HandModel) -> Float[np.ndarray, "types vertices"]:
    """C of every grasp type."""
    return np.stack([kind.contact_prior for kind in hand.grasp_types.values()])


def _check(field: SignedDistanceField, points: np.ndarray) -> tuple[str, str]:
    low, high = field.bounds
    if (points < low).any() or (points > high).any():
        reason = "got an object that reaches beyond its distance field; expected the field to hold it"
        return "field_edge", reason
    return "ok", ""


def _object_samples(points: np.ndarray, hand_mask: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Samples and free points within a hand's reach of the hand region, dealt evenly into batches."""
    region = points[hand_mask]
    points = np.concatenate([points, free])
    near = np.flatnonzero(_within(points, region, REACH))
    total = BATCHES * SAMPLES
    if len(near) >= total:
        chosen = near[np.linspace(0, len(near) - 1, total).astype(int)]
    else:
        chosen = np.resize(near, total)
    batches = points[chosen[_DEAL]].reshape(BATCHES, SAMPLES, 3).transpose(0, 2, 1)
    return _neighbours(np.ascontiguousarray(batches)), len(near) / SAMPLES


def _within(points: np.ndarray, region: np.ndarray, reach: float) -> np.ndarray:
    """Which points are nearer than that to any of the region; few of it settle most of them."""
    few = region[np.linspace(0, len(region) - 1, min(len(region), 8)).astype(int)]
    near = cdist(few, points, "sqeuclidean").min(axis=0) < (reach * (1 - 1e-9)) ** 2
    left = np.flatnonzero(~near)
    if len(left):
        near[left] = KDTree(region).query(points[left], distance_upper_bound=reach)[0] < reach
    return near


def _neighbours(batches: Float[np.ndarray, "b 3 n"]) -> Float[np.ndarray, "b 3 n"]:
    """Halved along the longest axis again and again, so that runs of NEIGHBOURS lie close together."""
    blocks, count = batches, len(batches)
    while blocks.shape[2] > NEIGHBOURS:
        axis = np.ptp(blocks, axis=2).argmax(axis=1)
        order = blocks[np.arange(len(blocks)), axis].argsort(axis=1, kind="stable")
        blocks = np.take_along_axis(blocks, order[:, None], axis=2)
        blocks = blocks.reshape(len(blocks), 3, 2, -1).transpose(0, 2, 1, 3).reshape(2 * len(blocks), 3, -1)
    return np.ascontiguousarray(blocks.reshape(count, -1, 3, NEIGHBOURS).transpose(0, 2, 1, 3)).reshape(
        batches.shape
    )
