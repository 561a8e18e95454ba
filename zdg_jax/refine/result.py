"""What refinement gives back for one task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp
from zdg_jax.hands.model import HandModel

#: Why a row has no refined grasp, or one that is not to be trusted; those of a whole task have their own.
REASONS = {
    "ok": "",
    "nan_start": "got a start that is not finite; expected finite numbers in pose and joints",
    "refine_nan": "refinement became non-finite; expected finite pose, joints and energies",
    "outside_field": "no skin vertex ended inside the object's field; expected the hand to reach the object",
    "stopped": "ended early: not among the share of its task's starts that went on",
}


@dataclass(frozen=True)
class RefinedGrasps:
    """K refined grasps with every energy by name, in the order of their starts; object frame.

    `status` is "ok", a key of `REASONS`, or that of the whole task ("empty_region", "field_edge",
    "field_size", "not_reasoned"); `status_reason` is a sentence. A row that was not refined holds NaN.

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
    status_reason: tuple[str, ...]

    def order(self) -> np.ndarray:
        """Row numbers: status "ok" by rising score, then "stopped" by rising score, then the others."""
        group = np.array([{"ok": 0, "stopped": 1}.get(s, 2) for s in self.status])
        return np.lexsort((np.nan_to_num(self.score, nan=np.inf), group))


def drift_from(
    hand: HandModel, initial: InitialGrasp, hand_pose: Float[np.ndarray, "k 7"]
) -> Float[np.ndarray, " k"]:
    """max(0, s - 3 cm) / 5 cm + max(0, a - pi/4) / 0.5 rad, s the palm's shift across D_palm, a its turn.

    Along D_palm the hand has to close in; and an answer stands for its whole neighbourhood: rotations are
    asked 90 degrees apart, parts are some centimetres wide. Within that the geometry decides alone.

    Args:
      hand: gives the palm frame.
      initial: G'.
      hand_pose: refined poses, object frame; NaN where not finite.
    """
    finite = np.isfinite(hand_pose).all(axis=1) & (hand_pose[:, 3:] != 0.0).any(axis=1)
    pose = np.where(finite[:, None], hand_pose, [0, 0, 0, 1.0, 0, 0, 0])
    turn = Rotation.from_quat(pose[:, [4, 5, 6, 3]])
    shift = pose[:, :3] + turn.apply(hand.p_base_palm) - initial.p_obj_palm
    d_palm = initial.R_obj_palm[:, 2]
    along = (shift * d_palm).sum(axis=1, keepdims=True)
    across = np.linalg.norm(shift - along * d_palm, axis=1)
    angle = (turn * Rotation.from_matrix(hand.R_base_palm @ initial.R_obj_palm.T)).magnitude()
    drift = np.maximum(across - 0.03, 0.0) / 0.05 + np.maximum(angle - np.pi / 4, 0.0) / 0.5
    return np.where(finite, drift, np.nan)
