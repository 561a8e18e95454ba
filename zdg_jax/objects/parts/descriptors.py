"""Numbers that describe one part (see `PartDescriptor`)."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Float, Int

from zdg_jax.objects.model import PartDescriptor


def describe_part(
    mesh: trimesh.Trimesh,
    faces: Int[np.ndarray, " part_faces"],
    thickness: Float[np.ndarray, " faces"],
    hole_diameter: float,
    concave: bool,
) -> PartDescriptor:
    """Describe the part made of `faces`.

    Args:
      mesh: the whole object, metres.
      faces: the part's faces.
      thickness: shape diameter of every face of the mesh, metres.
      hole_diameter: of the through-hole that the part borders, metres; 0 if none.
      concave: the part is the inside of a cavity.

    Returns:
      The descriptor; all means are weighted by area.
    """
    weight = mesh.area_faces[faces]
    share = weight / weight.sum()
    points = mesh.triangles_center[faces]
    center = share @ points
    corners = mesh.vertices[np.unique(mesh.faces[faces])]
    axes = principal_axes(points, share)
    extents = np.ptp(corners @ axes, axis=0)
    order = np.argsort(-extents, kind="stable")
    extents, axes = extents[order], axes[:, order]
    box_center = mesh.bounds.mean(axis=0)
    total = mesh.area_faces / mesh.area_faces.sum()
    long_axis = principal_axes(mesh.triangles_center, total)[:, 0]
    span = mesh.vertices @ long_axis
    axial = 2 * (center @ long_axis - span.min()) / max(float(np.ptp(span)), 1e-12) - 1
    tiny = 1e-6
    return PartDescriptor(
        center=center,
        axis=_signed(axes[:, 0]),
        extents=extents,
        elongation=float(extents[0] / max(extents[1], tiny)),
        flatness=float(extents[1] / max(extents[2], tiny)),
        thickness=weighted_median(thickness[faces], weight),
        area_share=float(weight.sum() / mesh.area_faces.sum()),
        relative_center=2 * (center - box_center) / np.maximum(mesh.extents, tiny),
        axial_position=float(np.clip(axial, -1, 1)),
        is_loop=hole_diameter > 0,
        hole_diameter=hole_diameter,
        end_distance=float(1 - min(abs(axial), 1.0)),
        concave=concave,
    )


def principal_axes(
    points: Float[np.ndarray, "n 3"], share: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "3 3"]:
    """Columns: unit principal axes of weighted points, greatest spread first, sign fixed."""
    centred = points - share @ points
    _, vectors = np.linalg.eigh((centred * share[:, None]).T @ centred)
    return np.column_stack([_signed(vectors[:, i]) for i in (2, 1, 0)])


def weighted_median(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    """Smallest value with at least half of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _signed(axis: np.ndarray) -> np.ndarray:
    """The same line with its greatest coordinate positive: a direction that doesn't flip by chance."""
    return axis if axis[np.argmax(np.abs(axis))] > 0 else -axis
