"""The outer boundary of shells that overlap or lie in each other: CAD assemblies, ribs inside a case."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Int
from manifold3d import Error, Manifold, Mesh64, OpType


def outer_boundary(mesh: trimesh.Trimesh, label: Int[np.ndarray, " faces"]) -> trimesh.Trimesh | None:
    """Surface of the union of closed shells, ∂(∪_k S_k).

    Args:
      mesh: closed.
      label: the shell of each face, from 0.

    Returns:
      The surface; None for one shell, or where a shell faces inward (a cavity, by whose side alone can be
      told what lies in it), or bounds no solid.
    """
    count = int(label.max(initial=0)) + 1
    if count < 2:
        return None
    shells = [_solid(mesh, label == k) for k in range(count)]
    if any(shell is None for shell in shells):
        return None
    union = Manifold.batch_boolean([shell for shell in shells if shell is not None], OpType.Add)
    if union.status() != Error.NoError or union.is_empty():
        return None
    surface = union.to_mesh64()
    vertices, faces = np.asarray(surface.vert_properties)[:, :3], np.asarray(surface.tri_verts)
    return trimesh.Trimesh(vertices.astype(np.float64), faces.astype(np.int64), process=False)


def _solid(mesh: trimesh.Trimesh, chosen: np.ndarray) -> Manifold | None:
    used, faces = np.unique(np.asarray(mesh.faces)[chosen], return_inverse=True)
    vertices = np.ascontiguousarray(np.asarray(mesh.vertices)[used], np.float64)
    solid = Manifold(Mesh64(vertices, np.ascontiguousarray(faces.reshape(-1, 3), np.uint64)))
    return solid if solid.status() == Error.NoError and solid.volume() > 0 else None
