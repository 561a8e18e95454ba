"""How different the grasps of a set are: entropies of joints, positions and turns; principal components."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.pose import rotation_to_wxyz, unit, wxyz_to_rotation

BINS = 100
CELL = 0.02  # metres
NO_SPREAD = 1e-18  # of equal grasps, whose mean is rounded
TURNS = rotation_to_wxyz(Rotation.create_group("I"))  # the 60 turns of an icosahedron: equal cells of SO(3)


@dataclass(frozen=True)
class Diversity:
    """Of one set of grasps, in nats (natural logarithm).

    Attributes:
      joint_entropy_mean, joint_entropy_std: over the joints; at most ln 100 = 4.61.
      position_entropy: of the palm's position in cells of 2 cm.
      rotation_entropy: of the palm's turn in 60 equal cells; at most ln 60 = 4.09.
      count: grasps; no entropy can pass ln count, so compare sets of one size.
    """

    joint_entropy_mean: float
    joint_entropy_std: float
    position_entropy: float
    rotation_entropy: float
    count: int

    def to_json(self) -> dict[str, float | int]:
        return asdict(self)


def entropy(counts: np.ndarray) -> float:
    """Shannon entropy of a histogram in nats: -Σ p ln p, p = counts / Σ counts; NaN for an empty one."""
    total = counts.sum()
    if total == 0:
        return float("nan")
    p = counts[counts > 0] / total
    return float(-(p * np.log(p)).sum())


def joint_entropies(
    joints: Float[np.ndarray, "n active"],
    lower: Float[np.ndarray, " active"],
    upper: Float[np.ndarray, " active"],
    bins: int = BINS,
) -> Float[np.ndarray, " active"]:
    """Entropy of each joint's angle over `bins` equal bins of its range, nats.

    DexGraspNet (ICRA 2023) reports mean and standard deviation of this over the joints; bins and natural
    logarithm are those of UniDexGrasp's published evaluation. An angle beyond a limit falls in the last bin
    (theirs drops it).

    Args:
      joints: radians, finite.
      lower, upper: limits, radians.
      bins: of each joint's range.
    """
    place = np.floor(bins * (joints - lower) / (upper - lower)).astype(np.int64).clip(0, bins - 1)
    return np.array([entropy(np.bincount(column, minlength=bins)) for column in place.T])


def position_entropy(points: Float[np.ndarray, "n 3"], cell: float = CELL) -> float:
    """Entropy in nats of positions over cubes of edge `cell` metres, lattice at the object's origin."""
    return entropy(np.unique(np.floor(points / cell), axis=0, return_counts=True)[1])


def rotation_entropy(wxyz: Float[np.ndarray, "n 4"]) -> float:
    """Entropy in nats of turns, each counted at the nearest of the icosahedron's 60 rotations.

    Nearest by |q·g|, so that q and -q are one turn. The 60 cells are congruent, so uniform turns give ln 60.
    """
    return entropy(np.bincount(np.abs(unit(wxyz) @ TURNS.T).argmax(axis=1), minlength=len(TURNS)))


def wrist_turns(wxyz: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """How far each wrist is turned from the others on average, degrees: mean_(j != i) 2 arccos |q_i . q_j|.

    Their mean is the mean over all pairs; NaN for a single grasp.
    """
    q = unit(wxyz)
    turn = np.rad2deg(2.0 * np.arccos(np.clip(np.abs(q @ q.T), 0.0, 1.0)))
    np.fill_diagonal(turn, 0.0)
    return turn.sum(axis=1) / (len(q) - 1) if len(q) > 1 else np.full(len(q), np.nan)


def first_component_share(
    hand_pose: Float[np.ndarray, "n 7"], joints: Float[np.ndarray, "n active"]
) -> float:
    """Share of the variance that the first principal component explains; smaller is more diverse.

    λ_1 / Σ λ of the covariance of (x, y, z, rotation vector, joints), metres and radians unscaled, as
    `get_diversity` of DexGraspBench (BODex, ICRA 2025). Rotation vectors have angles of at most π, so that
    two nearly equal half turns may lie far apart.

    Args:
      hand_pose: xyz (metres) and wxyz of the hand's root in the object's frame; finite.
      joints: radians; finite.

    Returns:
      In [1/dimensions, 1]; NaN for fewer than two grasps or without variance.
    """
    turns = wxyz_to_rotation(hand_pose[:, 3:]).as_rotvec()
    table = np.concatenate([hand_pose[:, :3], turns, joints], axis=1)
    if len(table) < 2:
        return float("nan")
    spread = np.linalg.svd(table - table.mean(axis=0), compute_uv=False) ** 2
    return float(spread[0] / spread.sum()) if spread.sum() > NO_SPREAD else float("nan")


def diversity(
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    lower: Float[np.ndarray, " active"],
    upper: Float[np.ndarray, " active"],
) -> Diversity:
    """All entropies of a set; rows that are not finite are left out.

    Args:
      hand_pose: xyz (metres) and wxyz in the object's frame; of the palm, or of any frame fixed to it.
      joints: radians.
      lower, upper: limits, radians.
    """
    fine = np.isfinite(hand_pose).all(axis=1) & np.isfinite(joints).all(axis=1)
    if not fine.any():
        return Diversity(*[float("nan")] * 4, count=0)
    pose, joints = hand_pose[fine], joints[fine]
    each = joint_entropies(joints, lower, upper)
    return Diversity(
        float(each.mean()), float(each.std()), position_entropy(pose[:, :3]), rotation_entropy(pose[:, 3:]),
        int(fine.sum()),
    )  # fmt: skip
