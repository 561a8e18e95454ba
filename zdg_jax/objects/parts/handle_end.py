"""Where a handle stops: a long thing's narrow end, its waist between wider ends, an arm at an angle."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from scipy.spatial import ConvexHull

from zdg_jax.objects.parts.descriptors import principal_axes

#: Width of the slices that a thing is looked at in, metres.
SLICE = 0.006
#: A handle is no wider than this, and at most this share as wide as what it carries.
WIDEST, NARROW = 0.048, 0.62
#: What widens towards the rest as steadily as this, and by so much, is a cone and no handle.
STEADY, CONE = 0.9, 1.8
#: A waist is at most so wide, metres, and at most this share as wide as either side of it; it is so long, and
#: begins within so many slices.
WAIST, SLIM, STEM, ABRUPT = 0.026, 0.4, 0.035, 3
#: A handle is at least so long, metres, and at most this share of the whole.
SHORTEST, LONGEST = 0.085, 0.85


def handle_end(mesh: trimesh.Trimesh) -> Bool[np.ndarray, " faces"]:
    """Faces of the narrow end that sticks out of a wider rest, none where there is no such end.

    The mesh is cut into slices across its longest principal axis. The end is the longer of the two runs of
    slices, from either tip, that are narrower than `WIDEST` and than `NARROW` of the widest slice; of a pan,
    a hair brush or a racket that is the handle. A cone, as a folded umbrella's tip is one, does not count.

    Args:
      mesh: checked, metres.
    """
    along, low, width = _slices(mesh)
    limit = min(WIDEST, NARROW * float(width.max()))
    runs = [_run(width <= limit), _run(width[::-1] <= limit)]
    ends = (width[: runs[0]], width[::-1][: runs[1]])
    runs = [0 if _is_cone(end) else len(end) for end in ends]
    longest = int(np.argmax(runs))
    length = runs[longest] * SLICE
    if not (SHORTEST <= length <= LONGEST * np.ptp(along)):
        return np.zeros(len(along), bool)
    border = low + length if longest == 0 else low + len(width) * SLICE - length
    return np.asarray(along <= border if longest == 0 else along >= border)


def waist(mesh: trimesh.Trimesh) -> Bool[np.ndarray, " faces"]:
    """Faces of the longest thin run between two much wider sides, none where there is no such run.

    A slice is thin that is narrower than `WAIST` and than `SLIM` of the widest slice on either side of it. Of
    a wine glass or a lamp that is the stem, of a racket the shaft. It begins and ends abruptly: a spoon's
    neck, which widens little by little, is none.

    Args:
      mesh: checked, metres.
    """
    along, low, width = _slices(mesh)
    left, right = np.maximum.accumulate(width), np.maximum.accumulate(width[::-1])[::-1]
    thin = width <= np.minimum(WAIST, SLIM * np.minimum(left, right))
    steps = np.flatnonzero(np.diff(np.r_[False, thin, False].astype(int)))
    runs = [
        (a, b) for a, b in steps.reshape(-1, 2).tolist() if (b - a) * SLICE >= STEM and _abrupt(width, a, b)
    ]
    if not runs:
        return np.zeros(len(along), bool)
    a, b = max(runs, key=lambda run: run[1] - run[0])
    return np.asarray((along >= low + a * SLICE) & (along <= low + b * SLICE))


def _abrupt(width: Float[np.ndarray, " slices"], a: int, b: int) -> bool:
    """Whether the thing is over twice as wide as its waist a..b right before and right after it."""
    before, after = width[max(a - ABRUPT, 0) : a], width[b : b + ABRUPT]
    narrower = min(before.max(initial=0.0), after.max(initial=0.0))
    return bool(narrower > 2 * np.median(width[a:b]))


def _is_cone(width: Float[np.ndarray, " slices"]) -> bool:
    """Whether an end widens steadily from its tip on."""
    if len(width) < 4:
        return False
    middle = np.arange(len(width))
    steady = float(np.corrcoef(middle, width)[0, 1]) if np.ptp(width) > 0 else 0.0
    return steady > STEADY and float(width[-1]) > CONE * float(np.median(width[: len(width) // 3 + 1]))


def _slices(
    mesh: trimesh.Trimesh,
) -> tuple[Float[np.ndarray, " faces"], float, Float[np.ndarray, " slices"]]:
    """Where each face lies along the longest principal axis, where the first slice begins, all widths."""
    centers, area = mesh.triangles_center, mesh.area_faces
    axes = principal_axes(centers, area / area.sum())
    size = np.ptp(mesh.vertices @ axes, axis=0)
    axis = axes[:, int(size.argmax())]
    low = float((mesh.vertices @ axis).min())
    return centers @ axis, low, slice_widths(mesh, axis, low, max(int(size.max() / SLICE), 1))


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


# A flat body with an arm at an angle, as a pistol's grip and barrel: where one ends and the other begins.
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
