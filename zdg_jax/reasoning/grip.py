"""How high a pistol's grip is held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.region import measure

#: A grip is so long and thick, metres, and lies so much across the barrel at its end (cosine), which is so
#: many times longer than wide; a hand is so wide, metres.
_GRIP, _GRIP_THICK, _CROSSED, _BARREL, _HAND = (0.095, 0.135), 0.024, 0.5, 1.5, 0.09
_STRAYS = 0.02  # share of a grip's samples


def below_barrel(
    obj: ObjectModel, mask: Bool[np.ndarray, " samples"], parts: Sequence[int]
) -> Bool[np.ndarray, " samples"]:
    """What is held of a grip that is longer than a hand is wide, under a barrel: the end at the barrel.

    There the index finger is at the trigger and the web of the thumb under the barrel's tail.

    Args:
      obj: the object.
      mask: the region.
      parts: numbers of the parts in it.
    Returns:
      the samples within a hand's width of that end; the same mask for anything else.
    """
    held = [p.descriptor for p in obj.parts if p.number in parts]
    rest = [p for p in obj.parts if p.number not in parts]
    if len(held) != 1 or not rest or mask.sum() < 3:
        return mask
    own = {p.number: obj.part_mask((p.number,)) for p in rest}
    barrel = max(rest, key=lambda p: int(own[p.number].sum()))
    of_barrel, axis = own[barrel.number], np.asarray(barrel.descriptor.axis)
    grip = measure(obj.samples.points[mask])
    fits = (
        _GRIP[0] < grip.extents[0] < _GRIP[1]
        and held[0].thickness > _GRIP_THICK
        and barrel.descriptor.elongation > _BARREL
        and abs(float(grip.axis @ axis)) < _CROSSED
        and of_barrel.sum() > mask.sum()
    )
    if not fits:
        return mask
    line = obj.samples.points[of_barrel].mean(axis=0) - grip.center
    away = -np.sign(line @ grip.axis) * ((obj.samples.points - grip.center) @ grip.axis)
    return mask & (away < np.quantile(away[mask], _STRAYS) + _HAND)
