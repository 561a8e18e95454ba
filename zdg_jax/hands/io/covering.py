"""Spheres that cover the collision shapes of a link: greedy set cover of points on their surface."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.spatial import cKDTree

from zdg_jax.hands.io.sdf_solids import geom_mesh, solid_distance

#: A sphere may stand out of the solid by this much, metres: else the edges of a box take only tiny ones.
STAND_OUT = 0.001
#: Longest edge of the triangles whose corners are to be covered, metres.
STEP = 0.003
#: How far behind a surface point a sphere's centre is tried, metres.
_DEPTHS = (0.001, 0.0018, 0.003, 0.0045, 0.0065, 0.009, 0.013, 0.019)
#: What a sphere that stands out by all of `STAND_OUT` loses against one that stands out by less.
_PENALTY = 0.1
#: Centres tried about a point that none of the others covers.
_TRIES, _REACH = 300, 0.006
_HIDDEN = 2e-4
#: Metres; see `reachable`.
PROBE = 0.004
#: What fitting aims at: coarser spheres are tried until there are no more.
ENOUGH_SPHERES = 496
#: How far outside the spheres a palmar point may lie, metres, where `ENOUGH_SPHERES` allow; else so many
#: times more, up to so often.
FINEST, COARSER, LEVELS = 0.0007, 1.1, 28
#: A point looks to the palmar side, or to the back, if its normal is within some 70 degrees of it.
PALMAR = 0.3
#: How many times farther from the spheres a point on a side or on the back may lie.
LATERAL, BACK = 3.0, 10.0
#: The palm has most of the surface and gives way first: a phalanx's tolerance is this share of its.
FINGERS = 0.55

Distance = Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, " n"]]


def surface_points(
    model: mujoco.MjModel, geoms: Sequence[int], step: float = STEP
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Points on the surface of the union of geoms of one body, edges and corners among them, and normals.

    Args:
      model: compiled.
      geoms: numbers.
      step: longest distance of neighbours, metres.
    Returns: points (metres) and outward normals, link frame. A corner's normal is the mean of its faces'.
    """
    distance = solid_distance(model, geoms)
    points, normals = [], []
    for g in geoms:
        mesh = geom_mesh(model, g)
        finer = trimesh.remesh.subdivide_to_size(mesh.vertices, mesh.faces, step)
        mesh = trimesh.Trimesh(*finer[:2], process=True)
        vertices = np.asarray(mesh.vertices)
        keep = np.sort(np.unique((2.0 * vertices / step).round(), axis=0, return_index=True)[1])
        keep = keep[distance(vertices[keep]) > -_HIDDEN]  # not inside another geom
        points.append(vertices[keep])
        normals.append(np.asarray(mesh.vertex_normals)[keep])
    return np.concatenate(points), np.concatenate(normals)


def reachable(
    distance: Distance, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
) -> Bool[np.ndarray, " n"]:
    """Whether something blunt can touch a point: `PROBE` before it nothing is nearer than half of that.

    Slots between nested boxes and the feet of their walls are not worth spheres.

    Args:
      distance: signed distance to the link's solid.
      points, normals: of its surface.
    """
    return np.asarray(distance(points + PROBE * normals) > 0.5 * PROBE)


@dataclass(frozen=True)
class Shape:
    """One link's surface and the spheres that may cover it.

    Attributes:
      points: to be covered, link frame, metres.
      facing: cosine of each point's normal with the palmar direction.
      center, radius: of the candidates, metres.
      value: 1 less what standing out costs.
      finger: the link is one of a finger's last three.
    """

    points: Float[np.ndarray, "n 3"]
    facing: Float[np.ndarray, " n"]
    center: Float[np.ndarray, "candidates 3"]
    radius: Float[np.ndarray, " candidates"]
    value: Float[np.ndarray, " candidates"]
    finger: bool


def candidates(
    distance: Distance,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    facing: Float[np.ndarray, " n"],
    finger: bool,
) -> Shape:
    """Spheres of radius depth + s, s half or all of `STAND_OUT`, at centres behind the surface.

    The radius can't be larger without standing out by more than s; smaller ones cover less. A point that
    none of them comes within `FINEST` of, as in a sharp corner, gets the best of random centres near it.

    Args:
      distance: signed distance to the link's solid.
      points, normals: its surface.
      facing, finger: see `Shape`.
    """
    start = np.unique((points / (2 * STEP)).round(), axis=0, return_index=True)[1]
    center = np.concatenate([points[start] - d * normals[start] for d in _DEPTHS])
    center = center[np.unique((center / 0.001).round(), axis=0, return_index=True)[1]]
    surface = cKDTree(points)
    depth = _depth(distance, surface, center)
    center, depth = center[depth > 4e-4], depth[depth > 4e-4]
    keep = reachable(distance, points, normals)
    points, facing = points[keep], facing[keep]
    found = cKDTree(points).query_ball_point(center, depth + STAND_OUT + FINEST)
    bare = np.setdiff1d(np.arange(len(points)), np.concatenate(found).astype(int))
    rng = np.random.default_rng(0)
    for p in points[bare]:
        near = p + rng.uniform(-_REACH, _REACH, (_TRIES, 3))
        inside = _depth(distance, surface, near)
        gap = np.linalg.norm(near - p, axis=1) - inside - STAND_OUT
        # the largest that comes near enough, or else the nearest
        best = int(np.where(gap < 0.8 * FINEST, inside, -1.0 - gap).argmax())
        if inside[best] > 2e-4:
            center, depth = np.concatenate([center, near[best : best + 1]]), np.append(depth, inside[best])
    out = np.repeat([0.5 * STAND_OUT, STAND_OUT], len(center))
    value = 1.0 - _PENALTY * out / STAND_OUT
    return Shape(points, facing, np.tile(center, (2, 1)), np.tile(depth, 2) + out, value, finger)


def _depth(distance: Distance, surface: cKDTree, center: np.ndarray) -> np.ndarray:
    """Of centres in the solid; inside an ellipsoid its own distance is too great."""
    return np.minimum(-distance(center), surface.query(center)[0])


def cover_all(shapes: Sequence[Shape]) -> list[Int[np.ndarray, " chosen"]]:
    """Numbers of candidates for each link: as near as `ENOUGH_SPHERES` in all allow.

    Palmar points lie within a tolerance of the spheres that grows from `FINEST`, `LATERAL` and `BACK` times
    farther on the sides and on the back; on phalanges `FINGERS` times as far, but no nearer than `FINEST`.
    """
    done: dict[tuple[int, float], np.ndarray] = {}

    def chosen(number: int, tolerance: float) -> np.ndarray:
        shape = shapes[number]
        palmar = max(FINEST, FINGERS * tolerance) if shape.finger else tolerance
        if (number, palmar) not in done:
            done[number, palmar] = cover(shape, _tolerance(shape.facing, palmar))
        return done[number, palmar]

    def all_of(level: int) -> list[np.ndarray]:
        return [chosen(k, FINEST * COARSER**level) for k in range(len(shapes))]

    def few(level: int) -> bool:
        return sum(map(len, all_of(level))) <= ENOUGH_SPHERES

    # the first level that is few; each is some seconds' work, and coarse ones are quick
    return all_of(bisect_left(range(LEVELS), True, key=few))


def _tolerance(facing: Float[np.ndarray, " n"], palmar: float) -> Float[np.ndarray, " n"]:
    return np.where(facing > PALMAR, palmar, np.where(facing > -PALMAR, LATERAL * palmar, BACK * palmar))


def cover(shape: Shape, tolerance: Float[np.ndarray, " n"]) -> Int[np.ndarray, " chosen"]:
    """Numbers of candidates: greedy set cover, then those left out that the others make needless.

    Args:
      shape: surface and candidates.
      tolerance: how far outside the spheres each point may lie, metres; one of few values.
    """
    covers = _covers(shape, tolerance)
    by_point = covers.T.tocsr()
    count = np.asarray(covers.sum(axis=1)).ravel()
    left = np.asarray(covers.sum(axis=0)).ravel() > 0
    chosen: list[int] = []
    while left.any():
        best = int((count * shape.value).argmax())
        new = covers.indices[covers.indptr[best] : covers.indptr[best + 1]]
        new = new[left[new]]
        if len(new) == 0:
            break
        chosen.append(best)
        left[new] = False
        count = count - np.asarray(by_point[new].sum(axis=0)).ravel()
    times = np.asarray(covers[chosen].sum(axis=0)).ravel()
    for k in list(chosen):
        own = covers.indices[covers.indptr[k] : covers.indptr[k + 1]]
        if (times[own] > 1).all():
            chosen.remove(k)
            times[own] -= 1
    return np.array(chosen, dtype=int)


def _covers(shape: Shape, tolerance: np.ndarray) -> sparse.csr_matrix:
    """[candidates, points]: 1 where the point lies within tolerance of the sphere, or inside it."""
    rows, columns = [], []
    for value in np.unique(tolerance):
        (own,) = np.nonzero(tolerance == value)
        found = cKDTree(shape.points[own]).query_ball_point(shape.center, shape.radius + value)
        rows.append(np.repeat(np.arange(len(found)), [len(f) for f in found]))
        columns.append(own[np.concatenate(found).astype(int)])
    row, column = np.concatenate(rows), np.concatenate(columns)
    size = (len(shape.radius), len(shape.points))
    return sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=size)
