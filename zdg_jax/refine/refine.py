"""Contact-guided grasp refinement (paper III-E): the package's front door."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import TERMS, RefineConfig
from zdg_jax.refine.optimise import Schedule, compiled
from zdg_jax.refine.problem import build_problem
from zdg_jax.refine.starts import jittered, random_around


@dataclass(frozen=True)
class RefinedGrasps:
    """K refined grasps with every energy by name; `status` is "ok" or "refine_nan" a row."""

    hand_pose: Float[np.ndarray, "k 7"]
    joints: Float[np.ndarray, "k active"]
    init_pose: Float[np.ndarray, "k 7"]
    init_joints: Float[np.ndarray, "k active"]
    energy: dict[str, Float[np.ndarray, " k"]]
    energy_total: Float[np.ndarray, " k"]
    init_energy: dict[str, Float[np.ndarray, " k"]]
    init_energy_total: Float[np.ndarray, " k"]
    status: tuple[str, ...]

    def order(self) -> np.ndarray:
        """Row numbers by rising total energy, rows without status ok last."""
        key = np.where([s == "ok" for s in self.status], self.energy_total, np.inf)
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
    finite = np.isfinite(end_pose).all(1) & np.isfinite(end_joints).all(1) & np.isfinite(end).all(1)
    return RefinedGrasps(
        hand_pose=end_pose, joints=end_joints, init_pose=pose, init_joints=joints,
        energy={t: end[:, i] for i, t in enumerate(TERMS)}, energy_total=end @ weights,
        init_energy={t: start[:, i] for i, t in enumerate(TERMS)}, init_energy_total=start @ weights,
        status=tuple("ok" if ok else "refine_nan" for ok in finite),
    )  # fmt: skip
