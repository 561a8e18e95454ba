"""Exact distances to a mesh and the distance grids that refinement looks up (DESIGN §6)."""

from __future__ import annotations

import igl
import numpy as np
import trimesh
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from zdg_jax.objects.model import DistanceGrid

RESOLUTION = 64  # nodes along each axis: one shape for all objects, so that nothing recompiles
MARGIN = 0.03


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


def build_sdf_grid(
    mesh: trimesh.Trimesh, margin: float = MARGIN, resolution: int = RESOLUTION
) -> DistanceGrid:
    """Signed distance at the nodes of a box around the object (see `signed_distance`).

    The step differs by axis, so that a knife's thin axes are sampled four times finer than its length.

    Args:
      mesh: outward faces, metres.
      margin: free space kept around the bounding box, metres.
      resolution: nodes along each axis.

    Returns:
      A grid [resolution, resolution, resolution] centred on the bounding box; float32 metres.
    """
    if resolution < 2:
        raise ValueError(f"got resolution {resolution}; expected at least 2 nodes")
    spacing = (mesh.extents + 2 * margin) / (resolution - 1)
    origin = mesh.bounds[0] - margin
    nodes = grid_nodes(origin, spacing, (resolution,) * 3)
    values = signed_distance(mesh, nodes).reshape((resolution,) * 3)
    return DistanceGrid(origin=origin, spacing=spacing, values=values.astype(np.float32))


def build_point_distance_grid(points: Float[np.ndarray, "n 3"], like: DistanceGrid) -> DistanceGrid:
    """Distance from each node of `like` to the nearest of `points`: d(x) = min_q |x - q|.

    Args:
      points: at least one, metres, the grid's frame (for example the samples of M_hand^3d).
      like: gives origin, spacing and shape.

    Returns:
      Unsigned distances in metres, float32.

    Raises:
      ValueError: no points.
    """
    if len(points) == 0:
        raise ValueError("got no points; expected at least one: the distance to nothing is undefined")
    shape = like.values.shape
    nodes = grid_nodes(like.origin, like.spacing, shape)
    distance, _ = KDTree(points).query(nodes, workers=1)
    return DistanceGrid(like.origin, like.spacing, distance.reshape(shape).astype(np.float32))


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
