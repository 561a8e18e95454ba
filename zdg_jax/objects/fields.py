"""Exact distances to a mesh."""

from __future__ import annotations

import igl
import numpy as np
import trimesh
from jaxtyping import Float, Int


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
