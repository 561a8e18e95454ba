"""Where the hand must not be: in front of parts that do the work, and in the mouth of a vessel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import ConvexHull, KDTree, QhullError
from scipy.spatial.transform import Rotation

from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sdf.build import field_values

#: How far over a part's surface its points stand, metres: a finger that lies on it holds them all.
ABOVE = (0.004, 0.010)
#: What is held may be held to its end: so far from the contact regions nothing is kept free, metres.
CLEARANCE = 0.02
#: Points of a vessel's inside: their spacing, how far they stay off its wall, and how far over its mouth they
#: reach, metres.
SPACING, OFF_WALL, OVER_MOUTH = 0.008, 0.004, 0.032
#: A thumb may hook over the rim: so deep under it points stay off the wall by a thumb, metres; all the way
#: down in a bowl, whose mouth is wider than this.
RIM, THUMB, BOWL = 0.020, 0.014, 0.11
MOST = 512
#: Stands among parts for the table that the object stands on; its points lie so far below the object and
#: reach so far around it, metres.
TABLE = 0
BELOW, AROUND = (0.008, 0.016), 0.04


def keep_free_points(
    obj: ObjectModel, parts: Sequence[int], held: Bool[np.ndarray, " samples"]
) -> Float[np.ndarray, "points 3"]:
    """Points in the air that the hand must leave free, object frame, metres; at most `MOST`.

    Over a part p the points o_s + h n_s of its samples s that lie 2 cm or more from what is held, h = 4 and
    10 mm. Of a concave part, the inside of a vessel, the air in its convex hull and 3 cm over its mouth. Of
    the table a grid 8 and 16 mm below the object.

    Args:
      obj: the object.
      parts: numbers of the parts to keep free; `TABLE` for the table.
      held: the samples that the hand shall touch.
    """
    far = _away(obj, held)
    found = []
    for number in parts:
        if number == TABLE:
            found.append(_under(obj))
            continue
        part = next(p for p in obj.parts if p.number == number)
        mask = obj.part_mask((number,))
        inside = _mouth(obj, mask) if part.descriptor.concave else np.zeros((0, 3))
        found.append(inside if len(inside) else _over(obj, mask & far))
    points = np.concatenate([np.zeros((0, 3)), *found])
    return points[np.linspace(0, len(points) - 1, min(len(points), MOST)).astype(int)]


def _away(obj: ObjectModel, held: Bool[np.ndarray, " samples"]) -> Bool[np.ndarray, " samples"]:
    points = obj.samples.points
    if not held.any():
        return np.ones(len(points), bool)
    return np.asarray(KDTree(points[held]).query(points)[0] >= CLEARANCE)


def _under(obj: ObjectModel) -> Float[np.ndarray, "points 3"]:
    low, high = obj.mesh.bounds
    x, z = (np.arange(low[k] - AROUND, high[k] + AROUND, SPACING) for k in (0, 2))
    grid = np.stack(np.meshgrid(x, [low[1] - depth for depth in BELOW], z, indexing="ij"), axis=-1)
    return grid.reshape(-1, 3)


def _over(obj: ObjectModel, mask: Bool[np.ndarray, " samples"]) -> Float[np.ndarray, "points 3"]:
    points, normals = obj.samples.points[mask], obj.samples.normals[mask]
    return np.concatenate([points + height * normals for height in ABOVE])


def _mouth(obj: ObjectModel, mask: Bool[np.ndarray, " samples"]) -> Float[np.ndarray, "points 3"]:
    """Air inside a vessel and over its mouth; none where the part encloses no volume."""
    wall = obj.samples.points[mask]
    out = obj.samples.normals[mask].mean(axis=0)
    try:
        hull = ConvexHull(wall)
    except QhullError:
        return np.zeros((0, 3))
    if np.linalg.norm(out) < 1e-6:
        return np.zeros((0, 3))
    turn = Rotation.align_vectors((out / np.linalg.norm(out))[None], [[0.0, 0.0, 1.0]])[0]
    frame = turn.as_matrix()
    local = wall @ frame
    low, high = local.min(axis=0), local.max(axis=0)
    axes = [np.arange(a, b, SPACING) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    within = (grid @ frame.T @ hull.equations[:, :3].T + hull.equations[:, 3] <= 0).all(axis=1)
    grid = grid[within]
    off = field_values(obj.field, grid @ frame.T)
    is_bowl = (high - low)[:2].min() > BOWL
    near_rim = (grid[:, 2] > high[2] - RIM) | is_bowl
    air = grid[off > np.where(near_rim, THUMB, OFF_WALL)]
    top = air[air[:, 2] > high[2] - 1.5 * SPACING]
    steps = np.arange(SPACING, OVER_MOUTH + 1e-9, SPACING)
    over = (top[:, None, :] + steps[:, None] * np.array([0.0, 0.0, 1.0])).reshape(-1, 3)
    return np.concatenate([air, over]) @ frame.T
