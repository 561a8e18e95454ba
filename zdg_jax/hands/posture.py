"""What joints allow each other, beyond each one's own limits: linear limits on one or two angles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from zdg_jax.errors import UserError

#: One limit: most that the sum may be, degrees, and shares by joint.
Limit = tuple[float, Mapping[str, float]]


def _no_limits() -> np.ndarray:
    return np.zeros((0, 2))


@dataclass(frozen=True, eq=False)
class Posture:
    """C limits a_c q_i + b_c q_j <= m_c; of a limit on one joint j = i and b = 0.

    Attributes:
      joint: i and j, places among the active joints.
      share: a and b.
      bound: m, radians.
    """

    joint: Int[np.ndarray, "limits 2"] = field(default_factory=lambda: np.zeros((0, 2), int))
    share: Float[np.ndarray, "limits 2"] = field(default_factory=_no_limits)
    bound: Float[np.ndarray, " limits"] = field(default_factory=lambda: np.zeros(0))

    def excess(self, joints: Float[np.ndarray, "n active"]) -> Float[np.ndarray, "n limits"]:
        """a q_i + b q_j - m, radians; above 0 where a limit is not kept."""
        return (joints[:, self.joint] * self.share).sum(axis=2) - self.bound


@dataclass(frozen=True, eq=False)
class PostureRows:
    """The same, joint by joint: a limit on two stands at both.

    Attributes:
      partner: the other joint.
      own, other, bound: a, b and m as seen from the joint.
      weight: 1/2 for a limit that stands twice, 1 for one that stands once, 0 for padding.
    """

    partner: Int[np.ndarray, "rows active"]
    own: Float[np.ndarray, "rows active"]
    other: Float[np.ndarray, "rows active"]
    bound: Float[np.ndarray, "rows active"]
    weight: Float[np.ndarray, "rows active"]


def posture_of(limits: Sequence[Limit], active: Sequence[str], name: str) -> Posture:
    """The card's limits by places among the active joints.

    Raises:
      UserError: a limit on other than one or two active joints.
    """
    joint, share, bound = [], [], []
    for most, shares in limits:
        unknown = [j for j in shares if j not in active]
        if unknown or not 1 <= len(shares) <= 2:
            raise UserError(
                f"posture: a limit on {', '.join(shares) or 'no joint'}",
                f"one or two of {', '.join(active)}",
                f"mend card {name}",
            )
        places, parts = [active.index(j) for j in shares], list(shares.values())
        joint.append([places[0], places[-1]])
        share.append([parts[0], parts[1] if len(parts) == 2 else 0.0])
        bound.append(np.deg2rad(most))
    if not bound:
        return Posture()
    return Posture(np.array(joint), np.array(share), np.array(bound))


def posture_rows(posture: Posture, active: int) -> PostureRows:
    """By joint; at least one row, so that no array is empty."""
    at: list[list[tuple[int, float, float, float, float]]] = [[] for _ in range(active)]
    for (i, j), (a, b), m in zip(posture.joint, posture.share, posture.bound, strict=True):
        single = i == j
        at[i].append((j, a, b, m, 1.0 if single else 0.5))
        if not single:
            at[j].append((i, b, a, m, 0.5))
    rows = np.zeros((max(1, *map(len, at)), active, 5))
    for joint, own in enumerate(at):
        for row, values in enumerate(own):
            rows[row, joint] = values
    return PostureRows(rows[..., 0].astype(int), *(rows[..., k] for k in range(1, 5)))
