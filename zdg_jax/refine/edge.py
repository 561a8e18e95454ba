"""The edge of a plate, book or tray in the hand: fingers under it, thumb over it, the forearm nearly level.

Who takes a plate from its side comes to its edge; with the palm upright there the fingers point to the ground
and the forearm to the sky.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.region import measure

#: What is held is at most so thick and at least so wide, metres.
_THICK, _WIDE = 0.065, 0.10
#: Cosines: it lies at least so level, the palm looks at its edge and the fingers to the ground.
_LEVEL, _ASIDE, _DOWN = 0.85, 0.5, 0.7
#: The hand turns about the way of its thumb by so much, degrees, at what is so thick, metres; in between in
#: proportion. A bowl's wall is steeper than a plate's rim.
SWING, _SWUNG_AT = (-60.0, -40.0, -35.0), (0.025, 0.038, 0.06)
#: From the middle of the palm the edge is so far towards the fingers and before the palm, metres.
_AHEAD, _BEFORE = 0.02, 0.012
#: Samples so far beside the palm's way, and so near to the outermost of them, are the edge, metres.
_BESIDE, _NEAR = 0.03, 0.006


def under_edge(
    obj: ObjectModel,
    mask: Bool[np.ndarray, " samples"],
    R_obj_palm: Float[np.ndarray, "3 3"],
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]] | None:
    """T' and R' of a hand with its fingers under the edge of what lies flat.

    R' = R Rot_y(-60 to -35 degrees), T' = e - 2 cm D_finger' - 1.2 cm D_palm', with e where the ray from the
    region's centre towards the palm leaves it.

    Args:
      obj: the object, +y up.
      mask: the samples that are held.
      R_obj_palm: R, of the grasp that was reasoned.
    Returns:
      (T' in metres, R'); None where no thin thing that lies is held by its edge from above.
    """
    points = obj.samples.points[mask]
    x, z = R_obj_palm[:, 0], R_obj_palm[:, 2]
    if len(points) < 3 or abs(z[1]) > _ASIDE or x[1] > -_DOWN:
        return None
    region = measure(points)
    if region.extents[2] > _THICK or region.extents[1] < _WIDE or abs(region.axes[2][1]) < _LEVEL:
        return None
    way = -z * np.array([1.0, 0.0, 1.0])
    way = way / np.linalg.norm(way)
    offset = points - region.center
    out = offset @ way
    beside = np.linalg.norm((offset - out[:, None] * way)[:, [0, 2]], axis=1) < _BESIDE
    if not beside.any():
        return None
    edge = points[beside & (out > out[beside].max() - _NEAR)].mean(axis=0)
    swing = float(np.interp(region.extents[2], _SWUNG_AT, SWING))
    R = R_obj_palm @ Rotation.from_euler("y", swing, degrees=True).as_matrix()
    return edge - _AHEAD * R[:, 0] - _BEFORE * R[:, 2], R
