"""How deep the hand is in itself."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

CHUNK = 1 << 22  # distances at a time: 32 MB


def self_penetration(
    p_spheres: Float[np.ndarray, "n spheres 3"],
    radius: Float[np.ndarray, " spheres"],
    pairs: Int[np.ndarray, "pairs 2"],
) -> Float[np.ndarray, " n"]:
    """Deepest link-link overlap in cm: 100 max_(i,j) max(0, r_i + r_j - |p_i - p_j|).

    DexGraspBench reports the deepest contact between two hand geoms. The reading taken: of the hand's
    sphere chains (the simulated shape, inscribed in the skin), over the pairs that refinement's E_spen also
    sees: links at least two joints apart whose spheres do not overlap at rest. So a bent finger's own crease
    is no self-penetration, and the figure is at most some 2 mm below that of the skin.

    Args:
      p_spheres: sphere centres, metres.
      radius: metres.
      pairs: which spheres may meet (`HandModel.sphere_pairs`).

    Returns:
      cm; 0 if no pair overlaps; NaN if a centre is not finite.
    """
    fine = np.asarray(np.isfinite(p_spheres).all(axis=(1, 2)))
    if len(pairs) == 0:
        return np.where(fine, 0.0, np.nan)
    p_spheres = np.where(fine[:, None, None], p_spheres, 0.0)
    i, j = pairs.T
    reach = radius[i] + radius[j]
    step = max(1, CHUNK // len(pairs))
    deepest = np.empty(len(p_spheres))
    for start in range(0, len(p_spheres), step):
        p = p_spheres[start : start + step]
        gap = np.zeros((len(p), len(pairs)))
        for axis in range(3):  # a third of the memory of one [n, pairs, 3] array
            gap += np.square(p[:, i, axis] - p[:, j, axis])
        deepest[start : start + step] = (reach - np.sqrt(gap)).max(axis=1)
    return np.where(fine, 100.0 * np.maximum(deepest, 0.0), np.nan)
