"""One ray against every triangle of a mesh."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def hits(
    origin: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    triangles: Float[np.ndarray, "faces 3 3"],
) -> tuple[Float[np.ndarray, " hits"], Int[np.ndarray, " hits"]]:
    """Distances and faces that a ray meets, nearest first (Moller and Trumbore).

    Solves origin + t * direction = (1 - u - v) a + u b + v c for t > 0, u >= 0, v >= 0, u + v <= 1.

    Args:
      origin: metres.
      direction: unit vector.
      triangles: corner points of each face, metres.
    Returns:
      (distances in metres, face indices).
    """
    a = triangles[:, 0]
    ab, ac = triangles[:, 1] - a, triangles[:, 2] - a
    p = np.cross(direction[None], ac)
    det = (ab * p).sum(axis=1)
    safe = np.where(np.abs(det) > 1e-18, det, np.inf)  # parallel faces give u = v = t = 0, cut by t > 0
    s = origin - a
    u = (s * p).sum(axis=1) / safe
    q = np.cross(s, ab)
    v = (q @ direction) / safe
    t = (ac * q).sum(axis=1) / safe
    slack = 1e-9
    face = np.flatnonzero((t > 0) & (u >= -slack) & (v >= -slack) & (u + v <= 1 + slack))
    face = face[np.argsort(t[face], kind="stable")]
    return t[face], face
