"""Exact distances to a mesh: of points, and of many grid nodes with few winding numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import igl
import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy import ndimage


def signed_distance(mesh: trimesh.Trimesh, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Exact signed distance phi(p), positive outside.

    |phi| = min_q |p - q| over the surface; the sign is that of 1/2 - w(p) with w the generalised
    winding number, so that it is right for open scans too.

    Args:
      mesh: outward faces, metres.
      points: metres, the mesh's frame.

    Returns:
      Metres.
    """
    if len(points) == 0:
        return np.zeros(0)
    # not igl.signed_distance: it scales the distance by 1 - 2 w, w approximate
    _, distance, _ = closest_points(mesh, points)
    inside = winding_number(np.asarray(mesh.vertices), np.asarray(mesh.faces), points) > 0.5
    return np.where(inside, -distance, distance)


def winding_number(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], points: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Generalised winding number of each point, about 1 inside and 0 outside (Barill et al. 2018)."""
    if len(points) == 0:
        return np.zeros(0)
    return np.asarray(
        igl.fast_winding_number(
            np.ascontiguousarray(vertices, np.float64),
            np.ascontiguousarray(faces, np.int64),
            np.ascontiguousarray(points, np.float64),
        )
    ).reshape(-1)


def closest_points(
    mesh: trimesh.Trimesh, points: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Nearest surface point of each query: (points in metres, unsigned distances in metres, faces)."""
    if len(points) == 0:
        return np.zeros((0, 3)), np.zeros(0), np.zeros(0, dtype=np.int64)
    squared, face, nearest = igl.point_mesh_squared_distance(
        np.ascontiguousarray(points, dtype=np.float64), *_arrays(mesh)
    )
    return np.asarray(nearest), np.sqrt(squared), np.asarray(face).astype(np.int64)


def grid_nodes(
    origin: Float[np.ndarray, "3"], spacing: Float[np.ndarray, "3"] | float, shape: tuple[int, ...]
) -> Float[np.ndarray, "nodes 3"]:
    """Positions origin + spacing * (i, j, k) of all nodes, last axis fastest."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return origin + spacing * index.reshape(-1, 3)


def _arrays(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.ascontiguousarray(mesh.vertices, dtype=np.float64),
        np.ascontiguousarray(mesh.faces, dtype=np.int64),
    )


SLACK = 0.02  # of cosines, against rounding
DOUBT = 0.005  # share of wrong normals near the surface above which none is trusted
VOTES = 16  # nodes that give a region its sign


class Nearest(NamedTuple):
    """What the nearest face tells of each point.

    Attributes:
      distance: to it, metres.
      away: unit direction from the nearest point, on the surface the face's normal.
      outside: the point lies in front of the face.
      sure: whatever faces meet at the nearest point, `outside` is right.
    """

    distance: Float[np.ndarray, " n"]
    away: Float[np.ndarray, "n 3"]
    outside: Bool[np.ndarray, " n"]
    sure: Bool[np.ndarray, " n"]


class MeshDistance:
    """Signed distance to one mesh (outward faces, metres), as `signed_distance` has it but faster."""

    def __init__(self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> None:
        self.vertices = np.ascontiguousarray(vertices, np.float64)
        self.faces = np.ascontiguousarray(faces, np.int64)
        self.normals, self.least = face_sides(self.vertices, self.faces)
        self.trusted = True  # `grid` finds out
        self.tree = igl.AABB()
        self.tree.init(self.vertices, self.faces)

    def nodes(
        self, points: Float[np.ndarray, "n 3"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
        """(phi in metres, its unit gradient); signed by winding number where the nearest face may err."""
        near = self.nearest(points)
        sign = np.where(near.outside, 1.0, -1.0)
        ask = ~near.sure if self.trusted else np.ones(len(points), bool)
        sign[ask] = self.sign(points[ask])
        return sign * near.distance, sign[:, None] * near.away

    def grid(
        self, origin: Float[np.ndarray, "3"], spacing: float, cells: Int[np.ndarray, "3"], reach: float
    ) -> tuple[Float[np.ndarray, "nx ny nz"], Float[np.ndarray, "nx ny nz 3"]]:
        """(phi, its unit gradient) at the nodes of a grid, signed by winding number.

        Further than `reach` from the surface only every second node is exact; the others are the mean of
        their neighbours and have gradient 0.

        Args:
          origin: node (0, 0, 0), metres.
          spacing: metres.
          cells: an even number along each axis.
          reach: metres.

        Returns:
          Metres; no unit.
        """
        shape = tuple(int(n) + 1 for n in cells)
        even = np.zeros(shape, bool)
        even[::2, ::2, ::2] = True
        distance, away = np.zeros(shape), np.zeros((*shape, 3))
        outside, sure = np.zeros(shape, bool), np.zeros(shape, bool)

        def fill(mask: np.ndarray) -> None:
            found = self.nearest(origin + spacing * np.argwhere(mask))
            distance[mask], away[mask], outside[mask], sure[mask] = found

        fill(even)
        known = distance[::2, ::2, ::2]
        odd = np.indices(shape).astype(np.int8) % 2  # coordinates in which a node lies between even ones
        # |phi(p) - phi(q)| <= |p - q|
        far = (doubled(known, np.maximum) - spacing * np.sqrt(odd.sum(axis=0)) > reach) & ~even
        distance[far] = doubled(known, lambda a, b: (a + b) / 2)[far]
        fill(~far & ~even)
        sign = self._grid_sign(origin, spacing, distance)
        test = sure & (distance > 1e-6) & (distance < spacing / 2)
        wrong = test & (outside != (sign > 0))
        self.trusted = self.trusted and bool(wrong.sum() <= DOUBT * test.sum())
        return sign * distance, sign[..., None] * away

    def nearest(self, points: Float[np.ndarray, "n 3"]) -> Nearest:
        """Distance to each point's nearest face and on which side of it the point lies."""
        if len(points) == 0:
            return Nearest(np.zeros(0), np.zeros((0, 3)), np.zeros(0, bool), np.zeros(0, bool))
        points = np.ascontiguousarray(points)
        squared, face, foot = self.tree.squared_distance(self.vertices, self.faces, points)
        distance, face = np.sqrt(squared), np.asarray(face)
        normal = self.normals[face]
        on = distance < 1e-9
        away = np.where(on[:, None], normal, (points - foot) / np.where(on, 1.0, distance)[:, None])
        cosine = np.einsum("nd,nd->n", away, normal)
        return Nearest(distance, away, cosine > 0, np.abs(cosine) > self.least[face])

    def sign(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """-1 where the winding number exceeds 1/2, else 1."""
        return np.where(winding_number(self.vertices, self.faces, points) > 0.5, -1.0, 1.0)

    def _grid_sign(
        self, origin: Float[np.ndarray, "3"], spacing: float, distance: Float[np.ndarray, "nx ny nz"]
    ) -> Float[np.ndarray, "nx ny nz"]:
        # no face lies between neighbours that are both further than half a step from the surface
        labels = np.empty(distance.shape, np.int32)
        ndimage.label(distance > spacing / 2, output=labels)
        region, count = labels.ravel(), int(labels.max())
        order = np.argsort(region, kind="stable")
        start = np.searchsorted(region[order], np.arange(1, count + 2))
        pick = np.linspace(start[:-1], start[1:] - 1, VOTES, axis=1).astype(int)

        def ask(nodes: np.ndarray) -> np.ndarray:
            return self.sign(origin + spacing * np.stack(np.unravel_index(nodes, distance.shape), axis=1))

        votes = ask(order[pick.ravel()]).reshape(count, VOTES)
        split = np.ptp(votes, axis=1) > 0  # regions that an open mesh joins
        self.trusted = self.trusted and not split.any()
        sign = np.concatenate([[0.0], np.where(split, 0.0, votes[:, 0])])[region]
        rest = np.flatnonzero(sign == 0)
        sign[rest] = ask(rest)
        return sign.reshape(distance.shape)


def face_sides(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[Float[np.ndarray, "f 3"], Float[np.ndarray, " f"]]:
    """Unit normal n of each face, and the |u·n| from which on the sign of u·n tells the side.

    u is the unit direction from a nearest point on the face, on its edge or corner perhaps. Outside, u is
    in the hull of the normals n' that meet there, so u·n >= m = min n·n'; inside, u·n <= -m. So
    |u·n| > -m decides. m is bounded through the mean normal of each vertex; at open edges it is -1.

    Args:
      vertices: metres.
      faces: outward.

    Returns:
      (normals, -m + SLACK).
    """
    corner = vertices[faces]
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), 1e-30)
    total = [np.bincount(faces.ravel(), np.repeat(area[:, k], 3), len(vertices)) for k in range(3)]
    mean = np.stack(total, axis=1)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-30)
    angle = np.arccos(np.clip(np.einsum("fkd,fd->fk", mean[faces], normal), -1, 1))
    widest = np.zeros(len(vertices))
    np.maximum.at(widest, faces.ravel(), angle.ravel())
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edge, count = np.unique(edges[:, 0] * len(vertices) + edges[:, 1], return_counts=True)
    loose = edge[count != 2]
    widest[loose // len(vertices)] = widest[loose % len(vertices)] = np.pi
    turn = np.minimum((angle + widest[faces]).max(axis=1), np.pi)
    return normal, SLACK - np.cos(turn)


def doubled(
    values: Float[np.ndarray, "_ _ _"], between: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Float[np.ndarray, "_ _ _"]:
    """Values on a grid of half the step: new nodes get `between` of their two neighbours, axis by axis."""
    for axis in range(3):
        v = np.moveaxis(values, axis, 0)
        wide = np.empty((2 * len(v) - 1, *v.shape[1:]))
        wide[::2], wide[1::2] = v, between(v[:-1], v[1:])
        values = np.moveaxis(wide, 0, axis)
    return values
