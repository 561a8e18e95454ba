"""Geometry-guided verification: eqs. 3, 4 and 5 of paper III-D."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.reasoning import rays


def nearest_contact_point(
    center: Float[np.ndarray, "3"],
    p_obj_palm: Float[np.ndarray, "3"],
    triangles: Float[np.ndarray, "faces 3 3"],
    samples: SurfaceSamples,
    hand_mask: Bool[np.ndarray, " samples"],
) -> Float[np.ndarray, "3"]:
    """p* of paper III-D: the point of the contact region nearest to the hand on ray(C, D*).

    The ray can leave the object several times, and through other parts. Of all its hits between C and
    the palm, the one nearest the palm whose closest sample is in the contact region is taken; if there
    is none (C lies in the open, as in a loop), the region's sample that is closest to the ray.

    Args:
      center: C, metres.
      p_obj_palm: T' of eq. 1, metres.
      triangles: the object's faces, metres.
      samples: the object's surface samples.
      hand_mask: M_hand^3d, not empty.
    Returns:
      p*, metres.
    """
    reach = float(np.linalg.norm(p_obj_palm - center))
    direction = (p_obj_palm - center) / reach
    distances, _ = rays.hits(center, direction, triangles)
    for t in distances[distances <= reach][::-1]:
        point = center + t * direction
        if hand_mask[np.linalg.norm(samples.points - point, axis=1).argmin()]:
            return point
    region = samples.points[hand_mask]
    along = np.clip((region - center) @ direction, 0.0, reach)
    return region[np.linalg.norm(region - center - along[:, None] * direction, axis=1).argmin()]


def neighbourhood(
    p_star: Float[np.ndarray, "3"],
    region_width: float,
    samples: SurfaceSamples,
    hand_mask: Bool[np.ndarray, " samples"],
    hand_reach: float,
) -> Bool[np.ndarray, " samples"]:
    """The samples around p* whose normals eq. 3 looks at; the paper leaves their choice open.

    Those of the contact region within min(3/4 w, hand_reach) of p*, w the region's width. The flanks of
    a bar or box of width w lie within w / sqrt(2) of the middle of its face, so fingers across it find
    their normals; its ends, which would let fingers along it pass, lie farther off.

    Args:
      p_star: p*, metres.
      region_width: second principal extent of the region, metres.
      samples: the object's surface samples.
      hand_mask: M_hand^3d.
      hand_reach: how far from the palm's axis bent fingers touch, metres.
    """
    radius = min(0.75 * region_width, hand_reach)
    return hand_mask & (np.linalg.norm(samples.points - p_star, axis=1) <= radius)


def rotations_that_fit(
    finger_directions: Float[np.ndarray, "k 3"], normals: Float[np.ndarray, "n 3"], tau_n: float
) -> Bool[np.ndarray, " k"]:
    """Eq. 3: which candidates find a normal that their finger direction lies along.

    Candidate k is filtered if |n_i . D_finger,k| / (|n_i| |D_finger,k|) < tau_n for all i.

    Args:
      finger_directions: D_finger of each candidate.
      normals: n_i of the samples around p*.
      tau_n: 0.85 in the paper.
    Returns:
      True where the candidate stays.
    """
    if len(normals) == 0:
        return np.zeros(len(finger_directions), bool)
    cosine = np.abs(_unit(finger_directions) @ _unit(normals).T)
    return np.asarray((cosine >= tau_n).any(axis=1))


def force_directions(p_obj_points: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """Eq. 4: F_thumb = P_thumb - P_index and F_index = -F_thumb, metres."""
    thumb = p_obj_points[0] - p_obj_points[1]
    return np.stack([thumb, -thumb])


def contact_agrees(force: Float[np.ndarray, "3"], normals: Float[np.ndarray, "n 3"], tau_m: float) -> bool:
    """Eq. 5: whether some normal around a point lies along its force direction.

    The point is discarded if n_i . F_k / (|n_i| |F_k|) < tau_m for all i; so is a zero force.

    Args:
      force: F_k of eq. 4.
      normals: outward n_i of the samples in P_k^3d.
      tau_m: 0.7 in the paper.
    """
    if len(normals) == 0 or np.linalg.norm(force) == 0.0:
        return False
    return bool((_unit(normals) @ (force / np.linalg.norm(force)) >= tau_m).any())


def _unit(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
