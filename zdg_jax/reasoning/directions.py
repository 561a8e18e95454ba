"""The 18 candidate directions of paper III-B."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float

from zdg_jax.render.cameras import Camera

CARDINALS = ("front", "behind", "left", "right", "above", "below")
OPPOSITE = {
    "front": "behind",
    "behind": "front",
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
}
NAMES: tuple[str, ...] = CARDINALS + tuple(
    f"{a}-{b}" for a, b in combinations(CARDINALS, 2) if OPPOSITE[a] != b
)
_UP = np.array([0.0, 1.0, 0.0])
_PARALLEL = 1e-3  # sine of the angle under which `front` counts as vertical


def candidate_directions(center: Float[np.ndarray, "3"], camera: Camera) -> dict[str, Float[np.ndarray, "3"]]:
    """Unit vectors of "front" ... "below" and the 12 diagonals (paper III-B).

    front = (p_cam - C) / |p_cam - C|, behind = -front; above = y, below = -above;
    right = front x above / |front x above|, left = -right; diagonal = (a + b) / |a + b|.

    As the paper's formula has it, "right" is the right of an object that looks at the camera: the left
    of the picture. Where the camera stands above C, `front` is not square to `above`; `right` is then
    still horizontal, and the diagonals are still between their two names. Only where the camera is
    straight above or below does the product vanish: `right` is then the picture's left.

    Args:
      center: C, centre of the hand region, metres, object frame.
      camera: of the chosen view.
    Returns:
      name -> unit vector, in the order of `NAMES`.
    """
    front = _unit(camera.p_world_cam - center)
    right = np.cross(front, _UP)
    if np.linalg.norm(right) < _PARALLEL:
        right = -camera.R_world_cam[:, 0]
    right = _unit(right)
    base = {"front": front, "behind": -front, "left": -right, "right": right, "above": _UP, "below": -_UP}
    result = {name: vector.copy() for name, vector in base.items()}
    for name in NAMES[len(CARDINALS) :]:
        a, b = (base[part] for part in name.split("-"))
        # Only with a vertical `front` can two different names mean the same or opposite vectors.
        total = a + b if np.linalg.norm(a + b) > _PARALLEL else a
        result[name] = _unit(total)
    return result


def in_words(direction: Float[np.ndarray, "3"], camera: Camera) -> str:
    """Where a direction points in the picture, e.g. "towards you and to the picture's left"."""
    right, down, forward = (float(direction @ camera.R_world_cam[:, i]) for i in range(3))
    said = [
        (abs(forward), "on your side" if forward < 0 else "on the far side"),
        (abs(right), "to the right in the picture" if right > 0 else "to the left in the picture"),
        (abs(down), "further down in the picture" if down > 0 else "further up in the picture"),
    ]
    return " and ".join(words for size, words in said if size > 0.45)


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return vector / np.linalg.norm(vector)
