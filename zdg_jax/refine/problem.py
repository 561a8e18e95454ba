"""One reasoned grasp as the arrays that a batch is built from; on the host, nothing of it compiled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel, SignedDistanceField
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.targets import BATCHES, NEIGHBOURS, SAMPLES

#: How far from the hand region the hand may still run into the object, metres.
REACH = 0.10


@dataclass(frozen=True, eq=False)
class Problem:
    """Fields and targets of one task; field frame, metres. `status` is "ok" or why it can't be refined.

    Attributes:
      status, reason: "empty_region", "field_edge" or "not_reasoned", and one sentence.
      field: of the object; problems of one object share it.
      points, hand_mask, func_mask: surface samples, M_hand^3d and P_func^3d.
      prior, weights, tolerance: see `Targets`; so are `object_samples` and `sample_weight`,
        dealt when first asked for.
    """

    status: str
    reason: str
    field: SignedDistanceField
    points: Float[np.ndarray, "samples 3"]
    hand_mask: Bool[np.ndarray, " samples"]
    func_mask: Bool[np.ndarray, " samples"]
    prior: Float[np.ndarray, " vertices"]
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
        return _object_samples(self.points, self.hand_mask)


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
    prior = np.zeros(len(hand.skin_link))
    status, reason = _check(obj.field, points)
    if grasp.guidance is None or grasp.initial is None:
        status, reason = "not_reasoned", f"got no grasp to refine ({grasp.status}); expected status ok"
    else:
        prior = hand.grasp_types[grasp.initial.grasp_type].contact_prior
        if config.ablation != "contact":
            hand_mask, func_mask = grasp.guidance.hand_mask, grasp.guidance.func_mask
        if not hand_mask.any() or not func_mask.any():
            status = "empty_region"
            reason = "got an empty contact region; expected at least one surface sample in M_hand and P_func"
            hand_mask = func_mask = everything
    return Problem(
        status=status,
        reason=reason,
        field=obj.field,
        points=points,
        hand_mask=hand_mask,
        func_mask=func_mask,
        prior=prior,
        weights=config.lambdas(),
        tolerance=config.skin_tolerance,
    )


def _check(field: SignedDistanceField, points: np.ndarray) -> tuple[str, str]:
    low, high = field.bounds
    if (points < low).any() or (points > high).any():
        reason = "got an object that reaches beyond its distance field; expected the field to hold it"
        return "field_edge", reason
    return "ok", ""


def _object_samples(points: np.ndarray, hand_mask: np.ndarray) -> tuple[np.ndarray, float]:
    """Samples within a hand's reach of the hand region, dealt evenly into batches."""
    distance, _ = KDTree(points[hand_mask]).query(points)
    near = np.flatnonzero(distance < REACH)
    total = BATCHES * SAMPLES
    if len(near) >= total:
        chosen = near[np.linspace(0, len(near) - 1, total).astype(int)]
    else:
        chosen = np.resize(near, total)
    order = np.random.default_rng(0).permutation(total)
    batches = points[chosen[order]].reshape(BATCHES, SAMPLES, 3)
    dealt = np.stack([_neighbours(batch) for batch in batches]).transpose(0, 2, 1)
    return np.ascontiguousarray(dealt), len(near) / SAMPLES


def _neighbours(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Halved along the longest axis again and again, so that runs of NEIGHBOURS lie close together."""
    if len(points) <= NEIGHBOURS:
        return points
    axis = int(np.argmax(np.ptp(points, axis=0)))
    sorted_ = points[np.argsort(points[:, axis], kind="stable")]
    half = len(points) // 2
    return np.concatenate([_neighbours(sorted_[:half]), _neighbours(sorted_[half:])])
