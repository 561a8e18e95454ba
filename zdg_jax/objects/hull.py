"""Where a hand that comes from a direction starts: the object's expanded convex hull (eq. 1)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull, QhullError

#: How far the hull's faces stand off the object; the paper leaves it open, metres.
EXPANSION = 0.01


def half_spaces(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "planes 4"]:
    """Half-spaces n . x + d <= 0 of the convex hull.

    Args:
      points: the object's vertices, metres.
    Returns:
      rows (n, d) with unit outward n.
    """
    try:
        hull = ConvexHull(points)
    except QhullError:  # a flat sheet has no volume; QJ joggles it by a hair
        hull = ConvexHull(points, qhull_options="QJ Pp")
    return np.unique(hull.equations, axis=0)


def expanded(planes: Float[np.ndarray, "planes 4"], expansion: float) -> Float[np.ndarray, "planes 4"]:
    """The half-spaces, each face moved outward by `expansion`: d' = d - expansion.

    Every point of the expanded surface is then at least `expansion` away from the object, whatever the
    object's proportions; scaling about a centre would leave a long object's sides bare.

    Args:
      planes: from `half_spaces`.
      expansion: metres.
    """
    return planes - [0.0, 0.0, 0.0, expansion]


def exit_distance(
    center: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"], hull: Float[np.ndarray, "planes 4"]
) -> float:
    """Distance from a point inside the expanded hull to its surface (eq. 1).

    t = min over faces with n . D > 0 of -(n . C + d) / (n . D)

    Args:
      center: C, metres, inside the hull (a mean of surface points always is).
      direction: D*, unit.
      hull: from `expanded`.
    Returns:
      metres, positive.
    """
    speed = hull[:, :3] @ direction
    room = -(hull[:, :3] @ center + hull[:, 3])
    ahead = speed > 1e-9
    return float(np.min(room[ahead] / speed[ahead]))


def hand_position(
    center: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"], hull: Float[np.ndarray, "planes 4"]
) -> Float[np.ndarray, "3"]:
    """T' = Intersect(ray(C, D*), H_obj), eq. 1; arguments as in `exit_distance`, metres."""
    return center + exit_distance(center, direction, hull) * direction
