"""Ray tests against a mesh: embree where it has a wheel, trimesh's own, much slower, elsewhere."""

from __future__ import annotations

try:
    from trimesh.ray.ray_pyembree import RayMeshIntersector
except ImportError:
    from trimesh.ray.ray_triangle import RayMeshIntersector

__all__ = ["RayMeshIntersector"]
