"""The narrow end of a long thing: where a handle stops and what it carries begins."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float

from zdg_jax.objects.parts.descriptors import principal_axes

#: Width of the slices that a thing is looked at in, metres.
SLICE = 0.006
#: A handle is no wider than this, and at most this share as wide as what it carries.
WIDEST, NARROW = 0.048, 0.62
#: A handle is at least so long, metres, and at most this share of the whole.
SHORTEST, LONGEST = 0.085, 0.75


def handle_end(mesh: trimesh.Trimesh) -> Bool[np.ndarray, " faces"]:
    """Faces of the narrow end that sticks out of a wider rest, none where there is no such end.

    The mesh is cut into slices across its longest principal axis. The end is the longer of the two runs of
    slices, from either tip, that are narrower than `WIDEST` and than `NARROW` of the widest slice; of a pan,
    a hair brush or a racket that is the handle.

    Args:
      mesh: checked, metres.
    """
    centers, area = mesh.triangles_center, mesh.area_faces
    axes = principal_axes(centers, area / area.sum())
    size = np.ptp(mesh.vertices @ axes, axis=0)
    axis = axes[:, int(size.argmax())]
    along, low = centers @ axis, float((mesh.vertices @ axis).min())
    count = max(int(size.max() / SLICE), 1)
    width = slice_widths(mesh, axis, low, count)
    limit = min(WIDEST, NARROW * float(width.max()))
    runs = [_run(width <= limit), _run(width[::-1] <= limit)]
    longest = int(np.argmax(runs))
    length = runs[longest] * SLICE
    if not (SHORTEST <= length <= LONGEST * size.max()):
        return np.zeros(len(centers), bool)
    border = low + length if longest == 0 else low + count * SLICE - length
    return np.asarray(along <= border if longest == 0 else along >= border)


def slice_widths(
    mesh: trimesh.Trimesh, axis: Float[np.ndarray, "3"], low: float, count: int
) -> Float[np.ndarray, " count"]:
    """How wide each of `count` slices is across the axis, metres: the wider side of its box.

    Args:
      mesh: metres.
      axis: unit, square to the slices.
      low: where the first slice begins, metres along the axis.
      count: how many slices of `SLICE`.
    """
    helper = np.eye(3)[np.abs(axis).argmin()]
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u)
    across = np.stack([u, np.cross(axis, u)], axis=1)
    # corners and middles of the edges of every face, in the slice where they lie
    points = np.concatenate([mesh.vertices, mesh.vertices[mesh.edges_unique].mean(axis=1)])
    place = np.clip(((points @ axis - low) / SLICE).astype(int), 0, count - 1)
    flat = points @ across
    width = np.zeros(count)
    for k in np.unique(place):
        mine = flat[place == k]
        # the wider side of the box that lies along the slice's own axes
        turned = mine - mine.mean(axis=0)
        frame = np.linalg.svd(turned, full_matrices=False)[2] if len(mine) > 2 else np.eye(2)
        width[k] = np.ptp(turned @ frame.T, axis=0).max()
    return np.where(width > 0, width, np.interp(np.arange(count), np.flatnonzero(width), width[width > 0]))


def _run(narrow: Bool[np.ndarray, " slices"]) -> int:
    """How many slices from the first on are narrow."""
    return len(narrow) if narrow.all() else int(np.argmin(narrow))
