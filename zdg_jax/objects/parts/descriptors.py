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
        straight=straight_side(mesh.triangles[faces], center, axes, extents, thickness[faces], weight),
    )


#: A blade is no thicker than this, metres, and so much longer than wide and wider than thick.
BLADE_THICK, BLADE_LONG, BLADE_FLAT = 0.008, 2.0, 3.0
#: Its edges are followed in so many steps; the back's bend is under this share and so much less, metres.
_STEPS, _LESS, _BENT = 24, 0.6, 0.0004


def straight_side(
    triangles: Float[np.ndarray, "n 3 3"],
    center: Float[np.ndarray, "3"],
    axes: Float[np.ndarray, "3 3"],
    extents: Float[np.ndarray, "3"],
    thickness: Float[np.ndarray, " n"],
    weight: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "3"]:
    """Across a blade, from its middle to the one of its long edges that is straight; zeros without one.

    An edge that cuts sweeps up to the tip, or is toothed; the back is the straighter one. Each edge is the
    greatest or least place across in steps along the middle 60 % (a blade is often cut in two), its bend the
    rms distance from a line. A part that is missing there for more than half of it (two buds at the ends of
    an earphone) has no edge.
    """
    thick = weighted_median(thickness, weight)
    long, flat = extents[0] > BLADE_LONG * extents[1], extents[1] > BLADE_FLAT * max(extents[2], thick)
    if thick > BLADE_THICK or not (long and flat):
        return np.zeros(3)
    share = np.linspace(0.0, 1.0, 25)[:, None, None, None]
    points = (1.0 - share) * triangles + share * np.roll(triangles, 1, axis=1)
    u, v = ((points.reshape(-1, 3) - center) @ axes[:, :2]).T
    step = ((u - u.min()) / np.ptp(u) - 0.2) / 0.6 * _STEPS
    bends = []
    for side in (1.0, -1.0):
        found = [(u[k], side * v[k]) for k in (step.astype(int) == i for i in range(_STEPS)) if k.any()]
        if len(found) < _STEPS // 2:
            return np.zeros(3)
        x, y = np.array([(a[b.argmax()], b.max()) for a, b in found]).T
        bends.append(float(np.sqrt(np.mean((y - np.polyval(np.polyfit(x, y, 1), x)) ** 2))))
    if min(bends) > _LESS * max(bends) or max(bends) - min(bends) < _BENT:
        return np.zeros(3)
    return axes[:, 1] if bends[0] < bends[1] else -axes[:, 1]


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
