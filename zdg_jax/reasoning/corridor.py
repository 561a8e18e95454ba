"""What stands in the palm's way, and which way a region faces."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from zdg_jax.objects.model import SurfaceSamples

PALM_RADIUS = 0.04
"""Half the width of a hand, metres."""
_DILATION = 0.008
"""Half a finger's thickness: an edge blocks that much of the corridor, metres."""


def blocked_share(
    center: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    samples: SurfaceSamples,
    hand_mask: Bool[np.ndarray, " samples"],
) -> float:
    """Share of the palm's approach corridor that other parts fill.

    The corridor is the cylinder of radius `PALM_RADIUS` from C along D*. Samples outside the hand
    region that lie in it are projected onto its cross-section; the share is that of the disc's grid
    points with such a projection within half a finger.

    Args:
      center: C, metres.
      direction: D, unit.
      samples: the object's surface samples.
      hand_mask: M_hand^3d.
    Returns:
      0 (free) to 1 (wholly blocked).
    """
    offset = samples.points[~hand_mask] - center
    height = offset @ direction
    flat = offset - height[:, None] * direction
    inside = (height > 0) & (np.linalg.norm(flat, axis=1) < PALM_RADIUS + _DILATION)
    if not inside.any():
        return 0.0
    helper = np.eye(3)[np.abs(direction).argmin()]
    u = np.cross(direction, helper)
    u /= np.linalg.norm(u)
    v = np.cross(direction, u)
    steps = np.linspace(-PALM_RADIUS, PALM_RADIUS, 25)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    disc = grid[np.linalg.norm(grid, axis=1) <= PALM_RADIUS]
    distance, _ = KDTree(flat[inside] @ np.stack([u, v], axis=1)).query(disc)
    return float((distance <= _DILATION).mean())


def normal_alignment(direction: Float[np.ndarray, "3"], normals: Float[np.ndarray, "n 3"]) -> float:
    """Mean of max(0, n . D) over a region's outward normals: how much of it faces the direction."""
    return float(np.maximum(normals @ direction, 0.0).mean())
