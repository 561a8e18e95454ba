"""Points on the collision shapes of a hand's own model: what a simulator sees, beside the skin."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from zdg_jax.hands.covering import surface_points
from zdg_jax.hands.geoms import solid_geoms
from zdg_jax.hands.load import hand_source
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.tree import body_name

#: Longest distance of neighbours, metres.
STEP = 0.006


@lru_cache(maxsize=16)
def collision_points(hand: HandModel) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
    """Points on the links' collision geoms, corners and edges among them, and the link of each.

    Links without spheres are left out: a forearm that the card excludes holds nothing.

    Args:
      hand: its MJCF or URDF is compiled again.
    Returns: points in link frames, metres; links.
    """
    model = hand_source(hand).model
    bodies = {body_name(model, b): b for b in range(1, model.nbody)}
    links = {bodies[hand.link_names[i]]: int(i) for i in np.unique(hand.sphere_link)}
    found = []
    for body, geoms in solid_geoms(model, list(links)).items():
        points = surface_points(model, geoms, STEP)[0]
        # corners of the geoms come first, so that they stay
        first = np.unique((points / STEP).round(), axis=0, return_index=True)[1]
        found.append((links[body], points[np.sort(first)]))
    points = np.concatenate([p for _, p in found])
    return points, np.concatenate([np.full(len(p), i) for i, p in found])
