"""Contact-guided grasp refinement (paper III-E): the package's front door."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp, ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import TERMS, RefineConfig
from zdg_jax.refine.optimise import Schedule, compiled
from zdg_jax.refine.problem import build_problem
from zdg_jax.refine.starts import jittered, random_around


@dataclass(frozen=True)
class RefinedGrasps:
    """K refined grasps with every energy by name; `status` is "ok" or "refine_nan" a row.

    `drift` is how far the palm has left G' (see `drift_from`), `score` = E + drift_weight * drift: G' carries
    the task's meaning, so of two grasps of like energy the one nearer to it is kept.
    """

    hand_pose: Float[np.ndarray, "k 7"]
    joints: Float[np.ndarray, "k active"]
    init_pose: Float[np.ndarray, "k 7"]
    init_joints: Float[np.ndarray, "k active"]
    energy: dict[str, Float[np.ndarray, " k"]]
    energy_total: Float[np.ndarray, " k"]
    init_energy: dict[str, Float[np.ndarray, " k"]]
    init_energy_total: Float[np.ndarray, " k"]
    drift: Float[np.ndarray, " k"]
    score: Float[np.ndarray, " k"]
    status: tuple[str, ...]

    def order(self) -> np.ndarray:
        """Row numbers by rising score, rows without status ok last."""
        key = np.where([s == "ok" for s in self.status], self.score, np.inf)
        return np.argsort(key, kind="stable")


def refine(
    hand: HandModel,
    obj: ObjectModel,
    grasp: ReasonedGrasp,
    *,
    num: int = 64,
    seed: int = 0,
    config: RefineConfig | None = None,
) -> RefinedGrasps:
    """Minimise E of eq. 8 with Adam from `num` starts around G'.

    Args:
      hand: the hand; one compilation each.
      obj: the object that `grasp` was reasoned on.
      grasp: guidance and initial grasp, status ok.
      num: starts.
      seed: of the jitter.
      config: weights, schedule, ablation.

    Returns:
      All `num` grasps, in the order of their starts.

    Raises:
      ValueError: `grasp` holds no guidance, or a contact region is empty.
    """
    config = config or RefineConfig()
    problem = build_problem(hand, obj, grasp, config)
    assert grasp.initial is not None
    if config.ablation == "initial":
        pose, joints = random_around(hand, obj, num, seed)
    else:
        pose, joints = jittered(hand, grasp.initial, num, seed, config)
    schedule = Schedule(
        jnp.asarray(0 if config.ablation == "refine" else config.steps),
        jnp.asarray(config.learning_rate, jnp.float32),
        jnp.asarray(config.decay, jnp.float32),
        jnp.asarray(config.decay_every),
    )
    out = compiled(hand)(problem, schedule, jnp.asarray(pose, jnp.float32), jnp.asarray(joints, jnp.float32))
    end_pose, end_joints, end, start = (np.asarray(x, dtype=np.float64) for x in out)
    weights = np.array([config.weights[t] for t in TERMS])
    finite = np.isfinite(np.concatenate([end_pose, end_joints, end], axis=1)).all(axis=1)
    drift = drift_from(hand, grasp.initial, end_pose)
    return RefinedGrasps(
        hand_pose=end_pose, joints=end_joints, init_pose=pose, init_joints=joints,
        energy={t: end[:, i] for i, t in enumerate(TERMS)}, energy_total=end @ weights,
        init_energy={t: start[:, i] for i, t in enumerate(TERMS)}, init_energy_total=start @ weights,
        drift=drift, score=end @ weights + config.drift_weight * drift,
        status=tuple(np.where(finite, "ok", "refine_nan").tolist()),
    )  # fmt: skip


def drift_from(
    hand: HandModel, initial: InitialGrasp, hand_pose: Float[np.ndarray, "k 7"]
) -> Float[np.ndarray, " k"]:
    """max(0, s - 3 cm) / 5 cm + max(0, a - pi/4) / 0.5 rad, s the palm's shift across D_palm, a its turn.

    Along D_palm the hand has to close in; and an answer stands for its whole neighbourhood: rotations are
    asked 90 degrees apart, parts are some centimetres wide. Within that the geometry decides alone.

    Args:
      hand: gives the palm frame.
      initial: G'.
      hand_pose: refined poses.
    """
    finite = np.isfinite(hand_pose).all(axis=1, keepdims=True)
    pose = np.where(finite, hand_pose, [0, 0, 0, 1.0, 0, 0, 0])
    turn = Rotation.from_quat(pose[:, [4, 5, 6, 3]])
    shift = pose[:, :3] + turn.apply(hand.p_base_palm) - initial.p_obj_palm
    d_palm = initial.R_obj_palm[:, 2]
    across = np.linalg.norm(shift - np.outer(shift @ d_palm, d_palm), axis=1)
    angle = (turn * Rotation.from_matrix(hand.R_base_palm @ initial.R_obj_palm.T)).magnitude()
    return np.maximum(across - 0.03, 0.0) / 0.05 + np.maximum(angle - np.pi / 4, 0.0) / 0.5
