"""Convex pieces as padded arrays of one shape, so that any objects share one compilation (DESIGN §7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float
from scipy.spatial import ConvexHull, QhullError

#: Slots of an object, and vertices and triangles of a slot; a hull of 64 vertices has at most 124 triangles.
PIECES, VERTICES, FACES = 32, 64, 128
#: Plane distance of an empty slot, metres: never the nearest to anything.
FAR = 1e3


class Slots(NamedTuple):
    """One object's pieces, in a frame at its centre of mass with the object's axes.

    Attributes:
      normal: outward unit normals; zero where a slot or face is empty.
      offset: n . x of each face, metres.
      corner: three corners of each face, metres.
    """

    normal: Float[np.ndarray | Array, "*objects pieces faces 3"]
    offset: Float[np.ndarray | Array, "*objects pieces faces"]
    corner: Float[np.ndarray | Array, "*objects pieces faces 3 3"]


def fill_slots(pieces: Sequence[Float[np.ndarray, "_ 3"]], com: Float[np.ndarray, "3"]) -> Slots:
    """Planes and triangles of each hull; unused faces repeat the piece's first, unused slots are far away.

    Args:
      pieces: vertices of each convex piece, metres.
      com: the new origin, metres.

    Returns:
      Arrays of the template's shape.

    Raises:
      ValueError: too many pieces, a hull with too many faces, or a flat piece.
    """
    if not 1 <= len(pieces) <= PIECES:
        raise ValueError(f"got {len(pieces)} convex pieces; expected 1 to {PIECES}")
    normal = np.zeros((PIECES, FACES, 3))
    offset = np.full((PIECES, FACES), -FAR)  # n . x - offset = FAR
    corner = np.full((PIECES, FACES, 3, 3), FAR)
    for slot, points in enumerate(pieces):
        p = np.asarray(points, np.float64) - com
        try:
            hull = ConvexHull(p)
        except QhullError as error:
            raise ValueError("got a flat convex piece; expected a solid one") from error
        count = len(hull.simplices)
        if count > FACES:
            raise ValueError(f"got a convex piece of {count} faces; expected at most {FACES}")
        fill = np.minimum(np.arange(FACES), count - 1)
        normal[slot] = hull.equations[fill, :3]
        offset[slot] = -hull.equations[fill, 3]
        corner[slot] = p[hull.simplices[fill]]
    return Slots(normal, offset, corner)
