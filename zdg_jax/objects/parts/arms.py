"""A flat body with an arm at an angle, as a pistol's grip and barrel: where one ends and the other begins."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.spatial import ConvexHull

from zdg_jax.objects.parts.descriptors import principal_axes

#: A part that is so much of the surface, its width over its thickness, its length over its width at most.
DOMINANT, FLAT, COMPACT = 0.8, 1.8, 2.2
#: The hulls of both pieces cover at most this share of the hull of both together.
HULLS = 0.85
#: Each piece is at least this share of the part, and one so much longer than wide.
PIECE, BAR = 0.25, 1.3
#: Sizes that a hand can hold, metres.
REACH = (0.10, 0.40)
_ANGLES, _OFFSETS, _POINTS = 36, 25, 1500


def with_arm(mesh: trimesh.Trimesh, label: Int[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
    """Cut one dominant flat part in two where it is bent like a pistol; the same labels where it is not.

    Grip and barrel are equally thick and see each other well, so that no normalised cut parts them. In the
    plane of the part the straight cut is taken whose two pieces have the least convex hulls.

    Args:
      mesh: checked, metres.
      label: of each face.
    """
    values, index = np.unique(label, return_inverse=True)
    share = np.bincount(index, weights=mesh.area_faces) / mesh.area_faces.sum()
    if share.max() < DOMINANT:
        return label
    mine = label == values[share.argmax()]
    centers, area = mesh.triangles_center[mine], mesh.area_faces[mine]
    frame = principal_axes(centers, area / area.sum())
    size = np.ptp(centers @ frame, axis=0)
    if size[1] < FLAT * size[2] or size[0] > COMPACT * size[1] or not REACH[0] <= size[0] <= REACH[1]:
        return label
    far = _cut(centers @ frame[:, :2], area)
    out = label.copy()
    if far is not None:
        out[np.flatnonzero(mine)[far]] = label.max() + 1
    return out


def _cut(
    flat: Float[np.ndarray, "faces 2"], area: Float[np.ndarray, " faces"]
) -> Bool[np.ndarray, " faces"] | None:
    """Faces beyond the best cut of a flat part, None where it is not bent."""
    rng = np.random.default_rng(0)
    points = flat[rng.choice(len(flat), _POINTS, p=area / area.sum())]
    whole = ConvexHull(points).volume
    best: tuple[float, np.ndarray, float] | None = None
    for angle in np.linspace(0.0, np.pi, _ANGLES, endpoint=False):
        way = np.array([np.cos(angle), np.sin(angle)])
        t = points @ way
        for offset in np.quantile(t, np.linspace(PIECE, 1.0 - PIECE, _OFFSETS)):
            one, two = points[t <= offset], points[t > offset]
            both = (ConvexHull(one).volume + ConvexHull(two).volume) / whole
            if (best is None or both < best[0]) and (_bar(one) or _bar(two)):
                best = both, way, float(offset)
    if best is None or best[0] > HULLS:
        return None
    return flat @ best[1] > best[2]


def _bar(points: Float[np.ndarray, "a 2"]) -> bool:
    """Whether a flat piece is longer than wide."""
    frame = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    size = np.ptp(points @ frame.T, axis=0)
    return bool(size[0] >= BAR * size[1])
