"""Where a bow is held from which a thing hangs: at its crown, so that it hangs level."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

#: A hand takes so much of it, metres, about what is so near to its highest place; one that is hardly longer
#: is held as it is.
_TAKEN, _CROWN, _LONGER = 0.11, 0.012, 0.14
#: Its crown is at least so high over the middle of the rest, as a share of the thing's height; it reaches so
#: far to either side of it, metres, and is so much longer than wide, seen from above.
_ABOVE, _BOTH, _NARROW = 0.35, 0.04, 2.0
#: What hangs is so tall, metres (an iron stands), and some of it is below the crown, so near to it seen from
#: above, metres: between a headphone's cups is a head.
_TALL, _BELOW = 0.18, 0.04
#: Of the rest so much is higher than the crown at most: bars that a case is wheeled by.
_HIGHER = 0.1


def crown_of(points: Float[np.ndarray, "n 3"], mask: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """What is held of a bow over a body, as a bucket's or basket's: its crown, above what hangs from it.

    Its lower ends draw the hand off: the mean of a bucket's bail with one of its wires is at the grip's end.

    Args:
      points: the object's surface samples, metres, y up.
      mask: the region.
    Returns:
      the samples within 5.5 cm along it of its crown; the same mask for anything else.
    """
    if mask.sum() < 2 or mask.all():
        return mask
    held, rest = points[mask], points[~mask]
    height = float(np.ptp(points[:, 1]))
    middle = np.median(held[held[:, 1] > held[:, 1].max() - _CROWN], axis=0)
    flat = held[:, ::2] - held[:, ::2].mean(axis=0)
    way = np.linalg.eigh(flat.T @ flat)[1][:, 1]
    along = (points[:, ::2] - middle[::2]) @ way
    low, high = along[mask].min(), along[mask].max()
    across = np.ptp(flat @ np.array([-way[1], way[0]]))
    below = np.linalg.norm((rest - middle)[:, ::2], axis=1) < _BELOW
    if high - low < max(_LONGER, _NARROW * across) or min(-low, high) < _BOTH:
        return mask
    if height < _TALL or not below.any():
        return mask
    taken = mask & (np.abs(along) < 0.5 * _TAKEN)
    if not taken.any():
        return mask
    crown = float(np.median(points[taken, 1]))
    stands = crown - np.median(rest[:, 1]) > _ABOVE * height and (rest[:, 1] > crown).mean() < _HIGHER
    return taken if stands else mask
