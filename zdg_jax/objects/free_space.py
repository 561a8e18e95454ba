"""The space around parts that matters to a hand: openings that fingers go through, and what stays free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.spatial import ConvexHull, KDTree, QhullError
from scipy.spatial.transform import Rotation

from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.parts.visibility import RayMeshIntersector
from zdg_jax.objects.samples import evenly
from zdg_jax.objects.sdf.build import field_values
from zdg_jax.pose import frame_about

#: Width of an opening from which on a finger is sent through it, metres: a finger and some air.
LEAST_WIDTH = 0.018
#: Rays a line of sight is cast with, and how far apart, metres.
_PIXEL, _MARGIN = 0.001, 0.01
#: The line of sight is tilted so far to both sides to find the widest view, degrees.
_TILTS = (-20.0, -10.0, 0.0, 10.0, 20.0)
#: Share of an opening's edge that has to belong to the held part, and how near, metres.
_OWN_EDGE, _NEAR = 0.4, 0.006


@dataclass(frozen=True)
class Opening:
    """A hole that one can look through, object frame, metres.

    Attributes:
      center: middle of its area.
      axis: unit line of sight.
      across: two unit vectors in its plane; the first is its longest direction.
      size: its extents along them.
      edge: corners of its outline in coordinates along `across`, in order, about `center`.
      bar: plus or minus the second: towards the side that the held part is on, of a ring outwards.
    """

    center: Float[np.ndarray, "3"]
    axis: Float[np.ndarray, "3"]
    across: Float[np.ndarray, "2 3"]
    size: Float[np.ndarray, "2"]
    edge: Float[np.ndarray, "corners 2"]
    bar: Float[np.ndarray, "3"]


#: By object and part: starts, measures and ranking of all its tasks ask, and a look takes 0.2 to 0.5 s.
_KNOWN: WeakKeyDictionary[ObjectModel, dict[int, Opening | None]] = WeakKeyDictionary()


def openings(obj: ObjectModel, part_ids: tuple[int, ...]) -> list[Opening]:
    """Openings that the held parts enclose and a finger fits through, the widest first; one a part.

    Args:
      obj: the object.
      part_ids: numbers of the held parts.
    """
    known = _KNOWN.setdefault(obj, {})
    loops = [p.number for p in obj.parts if p.number in part_ids and p.descriptor.is_loop]
    for number in loops:
        if number not in known:
            known[number] = _of_part(obj, number)
    found = (known[number] for number in loops)
    return sorted((o for o in found if o is not None), key=lambda o: -o.size[1])


def _of_part(obj: ObjectModel, number: int) -> Opening | None:
    points = obj.samples.points[obj.part_mask((number,))]
    if len(points) < 16:
        return None
    principal = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    tracer = RayMeshIntersector(obj.mesh)
    best: tuple[float, Opening] | None = None
    for a in _TILTS:
        for b in _TILTS:
            tilt = Rotation.from_rotvec(np.deg2rad(a) * principal[0] + np.deg2rad(b) * principal[1])
            seen = _seen_along(obj, tracer, points, tilt.apply(principal[2]))
            if seen is None:
                continue
            width = seen[0] - 1e-5 * (abs(a) + abs(b))  # of views as wide the straightest
            if best is None or width > best[0]:
                best = width, seen[1]
    return best[1] if best is not None else None


def _seen_along(obj, tracer, points, axis) -> tuple[float, Opening] | None:
    """(clear width, opening) of the widest opening at the part's samples along one line of sight."""
    frame = frame_about(axis)
    local = points @ frame
    low, high = local.min(axis=0) - _MARGIN, local.max(axis=0) + _MARGIN
    count = np.ceil((high - low)[:2] / _PIXEL).astype(int)
    u, v = np.meshgrid(*(low[k] + _PIXEL * (np.arange(count[k]) + 0.5) for k in (0, 1)), indexing="ij")
    behind = float((obj.mesh.vertices @ axis).min()) - 0.01
    origins = np.stack([u, v, np.full(u.shape, behind)], axis=-1).reshape(-1, 3) @ frame.T
    hit = np.asarray(tracer.intersects_first(origins, np.tile(axis, (len(origins), 1)))).reshape(u.shape)
    solid = hit >= 0
    # what the window's rim cuts off is no opening
    inner = np.asarray(ndimage.binary_fill_holes(solid), bool) & ~solid
    label, total = cast(tuple[np.ndarray, int], ndimage.label(inner))
    if total == 0:
        return None
    inside = np.asarray(ndimage.distance_transform_edt(inner)) * _PIXEL
    k = 1 + int(np.argmax(ndimage.maximum(inside, label, np.arange(1, total + 1))))
    here = label == k
    width = 2.0 * float(inside[here].max())
    if width < LEAST_WIDTH:
        return None
    rim = np.asarray(ndimage.binary_dilation(here, iterations=2), bool) & ~here
    flat = np.stack([u[rim], v[rim]], axis=1)
    distance, nearest = (np.asarray(x) for x in KDTree(local[:, :2]).query(flat))
    own = distance < _NEAR
    if own.mean() < _OWN_EDGE:
        return None
    area = np.stack([u[here], v[here]], axis=1)
    middle = area.mean(axis=0)
    turn = np.linalg.svd(area - middle, full_matrices=False)[2]
    across = turn @ frame[:, :2].T
    edge = (flat - middle) @ turn.T
    center = frame @ np.array([*middle, np.median(local[nearest[own], 2])])
    # a whole ring has no bar: its outer side, away from the object
    side = float(edge[own, 1].mean())
    if abs(side) < 0.1 * width:
        side = float(across[1] @ (center - obj.samples.points.mean(axis=0)))
    return width, Opening(
        center=center,
        axis=axis,
        across=across,
        size=np.ptp((area - middle) @ turn.T, axis=0),
        edge=edge[np.argsort(np.arctan2(edge[:, 1], edge[:, 0]))],
        bar=across[1] if side >= 0 else -across[1],
    )


# Where the hand must not be: in front of parts that do the work, and in the mouth of a vessel.
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
    return evenly(points, MOST)


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
