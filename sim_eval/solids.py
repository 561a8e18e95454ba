"""Meshes as solids: closed or not, volume, centre of mass, inertia; their convex pieces as padded arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import igl
import numpy as np
import trimesh
from jaxtyping import Array, Float, Int
from manifold3d import Error, Manifold, Mesh64, OpType
from scipy.spatial import ConvexHull, QhullError

from zdg_jax.objects.sdf.mesh_distance import grid_nodes, signed_distance


@dataclass(frozen=True)
class Inertial:
    """Rigid-body constants at unit density scale.

    Attributes:
      mass: kg.
      com: centre of mass in the object frame, metres.
      inertia: about the centre of mass, axes of the object frame, kg m².
      source: "mesh" (exact, from the closed mesh) or "convex_union" (the mesh bounds no solid).
    """

    mass: float
    com: Float[np.ndarray, "3"]
    inertia: Float[np.ndarray, "3 3"]
    source: str


def as_manifold(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Manifold | None:
    """The solid that a closed mesh bounds, or None if it bounds none (open edges, inside out, flat)."""
    solid = Manifold(
        Mesh64(np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.uint64))
    )
    closed = solid.status() == Error.NoError and not solid.is_empty() and solid.volume() > 0
    return solid if closed else None


def remeshed(mesh: trimesh.Trimesh, resolution: int = 96) -> Manifold | None:
    """The solid inside a mesh with holes: zero level of the distance signed by the winding number.

    Args:
      mesh: outward faces, metres.
      resolution: grid nodes along each axis; walls thinner than a cell are lost.

    Returns:
      The solid, or None where the mesh encloses nothing.
    """
    margin = 0.05 * float(mesh.extents.max())
    shape = (resolution, resolution, resolution)
    nodes = grid_nodes(mesh.bounds[0] - margin, (mesh.extents + 2 * margin) / (resolution - 1), shape)
    values = signed_distance(mesh, nodes)
    if not (values < 0).any():
        return None
    order = np.arange(len(nodes)).reshape(shape).transpose(2, 1, 0).ravel()  # libigl: x fastest
    vertices, faces, _ = igl.marching_cubes(values[order], nodes[order], *shape, 0.0)
    vertices, faces = np.array(vertices, np.float64), np.array(faces).astype(np.int64)
    return as_manifold(vertices, faces) or as_manifold(vertices, faces[:, ::-1])


def manifold_arrays(solid: Manifold) -> tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "f 3"]]:
    """(vertices in metres, faces) of a solid."""
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties[:, :3], np.float64), np.array(mesh.tri_verts, np.int64)


def hull_union(pieces: Sequence[Float[np.ndarray, "_ 3"]]) -> Manifold:
    """Union of the convex hulls of the given point sets."""
    return Manifold.batch_boolean([Manifold.hull_points(p) for p in pieces], OpType.Add)


def inertial_of(mesh: trimesh.Trimesh, pieces: Sequence[Float[np.ndarray, "_ 3"]], mass: float) -> Inertial:
    """Mass, centre of mass and inertia of a homogeneous object (DESIGN §7).

    rho = m / V; c = rho/m ∫ x dV; I = rho ∫ (|x-c|² 1 - (x-c)(x-c)ᵀ) dV, exact for the closed mesh. The sum
    over convex pieces is never used: they overlap and bulge, and weigh up to twice as much.

    Args:
      mesh: outward faces, metres.
      pieces: its convex pieces; their union is the solid where the mesh bounds none.
      mass: kg.

    Returns:
      The constants; `source` says which solid was taken.

    Raises:
      ValueError: neither gives a positive definite inertia.
    """
    solid, source = as_manifold(mesh.vertices, mesh.faces), "mesh"
    if solid is None:
        solid, source = hull_union(pieces), "convex_union"
    body = trimesh.Trimesh(*manifold_arrays(solid), process=False)
    volume = float(body.volume)
    if volume <= 0 or not np.isfinite(volume):
        raise ValueError(f"got an object of volume {volume} m³; expected a solid")
    properties = body.mass_properties
    inertia = np.asarray(properties["inertia"], np.float64) * (mass / (volume * float(properties["density"])))
    if np.linalg.eigvalsh(inertia).min() <= 0:
        raise ValueError("got an inertia that is not positive definite; expected a solid")
    return Inertial(mass, np.asarray(body.center_mass, np.float64), inertia, source)


# Convex pieces as padded arrays of one shape, so that any objects share one compilation (DESIGN §7).
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
