"""Initial hand rotation: eq. 2 and the K candidates of paper III-C."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def reference_finger_direction(
    region_axis: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """D_finger of candidate k = 0: the region's long axis laid into the plane of the palm.

    The paper leaves the phase of its K rotations open. With this one, k = 0 and K/2 lie along a
    handle and, for K = 4, k = 1 and 3 lie exactly across it, from whichever side the hand comes. Where
    the axis points at the palm (within 15 degrees), any handle is seen end-on and the world's up takes
    its place; where that also points at the palm, z does.

    Args:
      region_axis: principal axis of the hand region, unit.
      direction: D*, unit.
    Returns:
      unit vector square to `direction`.
    """
    for axis in (region_axis, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])):
        flat = axis - (axis @ direction) * direction
        if np.linalg.norm(flat) > np.sin(np.deg2rad(15.0)):
            return flat / np.linalg.norm(flat)
    raise AssertionError("y and z can't both be parallel to one direction")


def palm_rotations(
    region_axis: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"], count: int
) -> Float[np.ndarray, "k 3 3"]:
    """R_k, the palm frame in the object frame, for K turns about D_palm (paper III-C).

    D_palm* = -D* (eq. 2); x_k = Rot(D_palm*, 2 pi k / K) x_0; R_k = [x_k, D_palm* x x_k, D_palm*].

    Args:
      region_axis: principal axis of the hand region, unit; it sets x_0.
      direction: D*, unit.
      count: K.
    Returns:
      proper rotations; columns are D_finger, y and D_palm.
    """
    palm = -direction / np.linalg.norm(direction)
    first = reference_finger_direction(region_axis, -palm)
    second = np.cross(palm, first)
    angles = 2 * np.pi * np.arange(count)[:, None] / count
    x = np.cos(angles) * first + np.sin(angles) * second
    z = np.broadcast_to(palm, x.shape)
    return np.stack([x, np.cross(z, x), z], axis=-1)
