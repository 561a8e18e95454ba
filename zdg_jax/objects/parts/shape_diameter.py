"""Local thickness of a solid, the shape diameter function, by rays through its inside."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Float

try:  # embree where it has a wheel; trimesh's own, much slower, elsewhere
    from trimesh.ray.ray_pyembree import RayMeshIntersector
except ImportError:
    from trimesh.ray.ray_triangle import RayMeshIntersector

RAYS = 16
HALF_ANGLE = np.pi / 4


def shape_diameter(
    mesh: trimesh.Trimesh, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Median chord length over a cone of rays around the inward normal, in metres.

    SDF(p) = median_k |hit_k - p| over rays within 45 degrees of -n (Shapira et al. 2008, with the
    median for their trimmed mean); infinite where no ray hits, which only happens on open meshes.

    Args:
      mesh: outward faces, metres.
      points: on the surface, metres.
      normals: outward unit normals there.

    Returns:
      Local thickness in metres.
    """
    cos = 1 - (np.arange(RAYS) + 0.5) / RAYS * (1 - np.cos(HALF_ANGLE))
    inward = -normals
    directions = spiral_rays(inward, cos, np.sqrt(1 - cos**2))
    start = np.repeat(points + inward * 1e-4 * mesh.scale, RAYS, axis=0)
    length = first_hit(mesh, start, directions).reshape(-1, RAYS)
    return np.median(length, axis=1)


def spiral_rays(
    axes: Float[np.ndarray, "n 3"], cos: Float[np.ndarray, " rays"], sin: Float[np.ndarray, " rays"]
) -> Float[np.ndarray, "n_rays 3"]:
    """Unit rays around each axis on a golden-angle spiral, which spreads them evenly.

    Ray k leaves its axis by the angle whose cosine and sine are cos_k and sin_k. All rays of the first axis
    come first.
    """
    turn = np.arange(len(cos)) * (np.pi * (3 - np.sqrt(5)))
    helper = np.where(np.abs(axes[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(axes, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(axes, side)
    return (
        cos[None, :, None] * axes[:, None]
        + (sin * np.cos(turn))[None, :, None] * side[:, None]
        + (sin * np.sin(turn))[None, :, None] * other[:, None]
    ).reshape(-1, 3)


def first_hit(
    mesh: trimesh.Trimesh, origins: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Distance along each unit ray to the first surface, metres; infinite where there is none."""
    face = np.asarray(RayMeshIntersector(mesh).intersects_first(origins, directions))
    hit = face >= 0
    length = np.full(len(origins), np.inf)
    normal = mesh.face_normals[face[hit]]
    corner = mesh.triangles[face[hit], 0]
    slope = np.einsum("nd,nd->n", normal, directions[hit])
    slope = np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    length[hit] = np.maximum(np.einsum("nd,nd->n", normal, corner - origins[hit]) / slope, 0)
    return length
