"""Parts of objects that have no natural ones: dishes, long convex bodies, lumps."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int

from zdg_jax.objects.descriptors import principal_axes, weighted_median
from zdg_jax.objects.facegraph import FaceGraph

UP = np.array([0.0, 1.0, 0.0])


def dish_parts(
    graph: FaceGraph, normals: Float[np.ndarray, "faces 3"], thickness: Float[np.ndarray, " faces"]
) -> Int[np.ndarray, " faces"] | None:
    """Rim 0, top of the centre 1 and underside 2 of a plate; None for anything else.

    A plate is thin (below 6 % of its diagonal), about as wide as long (within 30 %) and flat (height below a
    quarter). The rim starts at the radius r in 0.4..0.85 of the greatest that best parts the faces by slope
    |n . a|, a the plate's axis: the between-class variance w1 w2 (m1 - m2)^2 is largest.
    """
    mesh, area = graph.mesh, graph.mesh.area_faces
    share = area / area.sum()
    axes = principal_axes(mesh.triangles_center, share)
    size = np.ptp(mesh.vertices @ axes, axis=0)
    thin = weighted_median(thickness, area) < 0.06 * np.linalg.norm(mesh.extents)
    if not (thin and size[1] > 0.7 * size[0] and size[2] < 0.25 * size[0]):
        return None
    axis = axes[:, 2] if axes[:, 2] @ UP >= 0 else -axes[:, 2]
    local = (mesh.triangles_center - 0.5 * (mesh.bounds[0] + mesh.bounds[1])) @ axes[:, :2]
    radius = np.linalg.norm(local / (0.5 * size[:2]), axis=1)
    slope = np.abs(normals @ axis)
    candidates = np.linspace(0.4, 0.85, 46)
    scores = []
    for r in candidates:
        outer = radius > r
        w = share[outer].sum()
        gap = np.average(slope[outer], weights=share[outer]) - np.average(
            slope[~outer], weights=share[~outer]
        )
        scores.append(w * (1 - w) * gap**2)
    rim = radius > candidates[int(np.argmax(scores))]
    return np.where(rim, 0, np.where(normals @ axis > 0, 1, 2))


def thirds(mesh: trimesh.Trimesh, faces: Bool[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
    """Cut `faces` across their long axis: 0 the middle half, 1 and 2 the ends; -1 elsewhere."""
    centers = mesh.triangles_center
    share = mesh.area_faces[faces] / mesh.area_faces[faces].sum()
    along = centers @ principal_axes(centers[faces], share)[:, 0]
    low, high = along[faces].min(), along[faces].max()
    t = (along - low) / (high - low)
    return np.where(faces, np.where(t < 0.25, 1, np.where(t > 0.75, 2, 0)), -1)


def top_side_bottom(
    mesh: trimesh.Trimesh, normals: Float[np.ndarray, "faces 3"]
) -> Int[np.ndarray, " faces"]:
    """Side 0, top 1, bottom 2 by the angle of the normal to up: 45 degrees part them."""
    rise = normals @ UP
    limit = np.cos(np.pi / 4)
    return np.where(rise > limit, 1, np.where(rise < -limit, 2, 0))
