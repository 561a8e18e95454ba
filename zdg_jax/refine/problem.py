"""One reasoned grasp as arrays on the host, its problem and its starts; and the targets of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp, ReasonedGrasp
from zdg_jax.hands.kinematics import base_from_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel, SignedDistanceField
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.config import RefineConfig

#: Object points tested against the hand's spheres (the second sum of E_pen): each step takes one of the
#: BATCHES in turn, so that many points cost a step no more than few.
BATCHES, SAMPLES = 8, 256
#: So many samples in a row lie close together: what the kernel tests at once against a group of spheres.
NEIGHBOURS = 32


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
      prior: contact prior C of every grasp type of the hand, and last that of aimed starts; each has one.
      kind: which, of each start.
      weights: λ in the order of `energies.TERMS`.
      tolerance: see `RefineConfig.skin_tolerance`.
    """

    grid: Grid
    object_samples: Float[Array, "*p batches 3 samples"]
    sample_weight: Float[Array, "*p"]
    prior: Float[Array, "*p vertices"]
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
      prior, weights, tolerance: see `Targets`; so are `object_samples` and `sample_weight`, dealt when first
        asked for.
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
    prior, kind = _priors(hand, grasp), 0
    status, reason = _check(obj.field, points)
    if grasp.guidance is None or grasp.initial is None:
        status, reason = "not_reasoned", f"got no grasp to refine ({grasp.status}); expected status ok"
    else:
        kind = kinds.index(grasp.initial.grasp_type)
        if config.ablation != "contact":
            hand_mask, func_mask = grasp.guidance.hand_mask, grasp.guidance.func_mask
            if config.hypotheses > 1:  # not the paper's
                free = grasp.guidance.free_points @ obj.field.R_field_obj.T
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
        kind=kind,
        weights=config.lambdas(),
        tolerance=config.skin_tolerance,
    )


def _priors(hand: HandModel, grasp: ReasonedGrasp) -> Float[np.ndarray, "types vertices"]:
    """C of every grasp type, and of starts whose fingers are aimed: of the reasoned type, but where thumb and
    index finger have key points, only their last links shall touch. Eq. 6 draws the whole finger to them:
    an index finger left the trigger that it lay on by 2 cm, so that its other links come near."""
    own = np.stack([kind.contact_prior for kind in hand.grasp_types.values()])
    if grasp.initial is None:
        return np.concatenate([own, own[:1]])
    aimed = np.array(hand.grasp_types[grasp.initial.grasp_type].contact_prior)
    if grasp.guidance is not None and grasp.guidance.p_obj_points is not None:
        last = {hand.finger_links[name][-1] for name in hand.functional_fingers}
        tips = np.isin(hand.skin_link, [hand.link_names.index(name) for name in last])
        aimed[hand.functional & ~tips] = 0.0
    return np.concatenate([own, aimed[None]])


def _check(field: SignedDistanceField, points: np.ndarray) -> tuple[str, str]:
    low, high = field.bounds
    if (points < low).any() or (points > high).any():
        reason = "got an object that reaches beyond its distance field; expected the field to hold it"
        return "field_edge", reason
    return "ok", ""


def _object_samples(points: np.ndarray, hand_mask: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Samples and free points within a hand's reach of the hand region, dealt evenly into batches."""
    tree = KDTree(points[hand_mask])
    points = np.concatenate([points, free])
    near = np.flatnonzero(tree.query(points)[0] < REACH)
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


Starts = tuple[Float[np.ndarray, "k 7"], Float[np.ndarray, "k active"]]


#: Where fingers are aimed, noise is so much of what it is elsewhere: it would miss a hole of two centimetres.
AIMED_NOISE = 0.35


def jittered(
    hand: HandModel,
    initial: InitialGrasp,
    num: int,
    seed: int,
    config: RefineConfig,
    joints: Float[np.ndarray, " active"] | None = None,
) -> Starts:
    """`num` starts: the first is G', the others G' moved by Gaussian noise in the palm's own frame.

    Args:
      hand: gives theta' of the grasp type.
      initial: G'.
      num, seed: how many, and of the noise.
      config: how much noise.
      joints: in place of theta', radians; with `AIMED_NOISE` of the noise.
    """
    rng = np.random.default_rng(seed)
    on = np.r_[0.0, np.full(num - 1, 1.0 if joints is None else AIMED_NOISE)][:, None]
    R = np.asarray(initial.R_obj_palm)
    shift = on * rng.normal(size=(num, 3)) * config.jitter_position
    turn = on * rng.normal(size=(num, 3)) * config.jitter_angle
    p = initial.p_obj_palm + shift @ R.T
    R_all = R @ Rotation.from_rotvec(turn).as_matrix()
    theta = hand.grasp_types[initial.grasp_type].joints if joints is None else joints
    opening = 1.0 - on * rng.uniform(size=(num, 1)) * config.jitter_opening * _fingers(hand)
    moved = theta * opening + on * rng.normal(size=(num, len(theta))) * config.jitter_joints
    return base_from_palm(hand, p, R_all), np.clip(moved, hand.lower, hand.upper)


def random_around(hand: HandModel, obj: ObjectModel, num: int, seed: int) -> Starts:
    """W/O Initial (paper Table II): random palms over the bounding sphere, facing its centre, zero joints."""
    rng = np.random.default_rng(seed)
    center = obj.mesh.bounds.mean(axis=0)
    reach = np.linalg.norm(obj.mesh.vertices - center, axis=1).max()
    z = rng.normal(size=(num, 3))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    x = np.cross(z, rng.normal(size=(num, 3)))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    R = np.stack([x, np.cross(z, x), z], axis=2)
    return base_from_palm(hand, center - z * reach, R), np.tile(hand.open_joints, (num, 1))


def _fingers(hand: HandModel) -> Float[np.ndarray, " active"]:
    """1 for active joints of fingers, 0 for those of the thumb: its opposition has to stay."""
    moves_thumb = (np.abs(hand.coupling) > 0) & (hand.link_finger[hand.joint_link] == hand.thumb)[:, None]
    return (~moves_thumb.any(axis=0)).astype(float)
