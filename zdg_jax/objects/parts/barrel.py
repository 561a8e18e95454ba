"""A round barrel that stands out of the side of a lump, as a camera's lens."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int

from zdg_jax.pose import frame_about

#: Only a lump that no other cut parts is looked at: one part with so much of the surface.
DOMINANT = 0.85
#: Radius of a barrel, metres; the share of the surface that it and the rest have at least.
RADIUS, LEAST, REST = (0.015, 0.05), 0.08, 0.4
#: Its sides lie within this share of the radius of a cylinder, look so straight outwards, and go around so
#: much of it; the rest is so many times wider than it one way and the other.
ROUND, OUTWARDS, AROUND, WIDER = 0.1, 0.96, 0.8, (1.1, 1.6)
_AXES, _TRIES, _BINS, _SLICE = 4, 400, 24, 0.006
#: Cosine above which faces look one way, sine below which an axis is level and above which two faces cross.
_SAME, _LEVEL, _CROSS = 0.97, 0.5, 0.6


def with_barrel(
    mesh: trimesh.Trimesh, normals: Float[np.ndarray, "faces 3"], label: Int[np.ndarray, " faces"]
) -> Int[np.ndarray, " faces"]:
    """Cut a level barrel off a lump that it stands out of; the same labels where there is none.

    A lens and the camera behind it see each other through the solid and are as thick, so that no normalised
    cut parts them. The barrel's axis is one of the ways that most of the surface faces, its front included.

    Args:
      mesh: checked, metres.
      normals: of the faces.
      label: of each face.
    """
    area = mesh.area_faces / mesh.area_faces.sum()
    if np.bincount(label, weights=area).max() < DOMINANT:
        return label
    best, most = None, LEAST
    for axis in _facing(normals, area):
        for way in (axis, -axis):
            found = _barrel(mesh, normals, area, way)
            if found is not None and most < area[found].sum() < 1.0 - REST:
                best, most = found, float(area[found].sum())
    return label if best is None else np.where(best, label.max() + 1, label)


def _facing(
    normals: Float[np.ndarray, "faces 3"], area: Float[np.ndarray, " faces"]
) -> list[Float[np.ndarray, "3"]]:
    """Level lines along which most of the surface looks, to either side."""
    left, axes = area.copy(), []
    for _ in range(3 * _AXES):
        axis = normals[int(left.argmax())]
        own = np.abs(normals @ axis) > _SAME
        mean = (np.sign(normals[own] @ axis) * left[own]) @ normals[own]
        size = float(np.linalg.norm(mean))
        left[own] = 0.0
        if abs(axis[1]) < _LEVEL and size > 0.02:
            axes.append(mean / size)
        if len(axes) == _AXES or left.max() <= 0.0:
            break
    return axes


def _barrel(
    mesh: trimesh.Trimesh,
    normals: Float[np.ndarray, "faces 3"],
    area: Float[np.ndarray, " faces"],
    axis: Float[np.ndarray, "3"],
) -> Bool[np.ndarray, " faces"] | None:
    """Faces of the barrel that stands out along one direction, to where the object ends there."""
    frame = frame_about(axis)[:, :2]
    centers = np.asarray(mesh.triangles_center)
    height, flat, look = centers @ axis, centers @ frame, normals @ frame
    side = np.flatnonzero((np.abs(normals @ axis) < 0.2) & (area > 0.0))
    if len(side) < 3 * _BINS:
        return None
    look = look[side] / np.linalg.norm(look[side], axis=1, keepdims=True)
    circle = _circle(flat[side], look, area[side] / area[side].sum())
    if circle is None:
        return None
    middle, radius, on = circle
    # it begins where it goes all around: lower down the rest's own corners may lie on the cylinder
    up, angle = height[side[on]], _bins(flat[side[on]] - middle)
    for start in np.linspace(up.min(), up.max(), _BINS):
        if len(np.unique(angle[np.abs(up - start) < _SLICE])) >= AROUND * _BINS:
            break
    else:
        return None
    own = (height > start) & (np.linalg.norm(flat - middle, axis=1) < (1.0 + 2 * ROUND) * radius)
    rest = flat[~own & (height < start)]
    if len(rest) < 3 or not own.any() or height[own].max() < height.max() - 0.5 * _SLICE:
        return None
    narrow, wide = np.sort(np.ptp(rest, axis=0)) / (2.0 * radius)
    return own if narrow > WIDER[0] and wide > WIDER[1] else None


def _bins(away: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Which of the equal sectors about the origin points lie in."""
    return ((np.arctan2(away[:, 1], away[:, 0]) / (2 * np.pi) + 0.5) * _BINS).astype(int) % _BINS


def _circle(
    flat: Float[np.ndarray, "n 2"], look: Float[np.ndarray, "n 2"], share: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "2"], float, Bool[np.ndarray, " n"]] | None:
    """Centre, radius and points of the circle that outward-looking points go around most, None if none do.

    Lines from two points against their normals meet in its centre, at the same distance from both.

    Args:
      flat: points.
      look: their unit normals.
      share: how often each is tried, sum 1.
    """
    best, most = None, AROUND * _BINS
    for i, j in np.random.default_rng(0).choice(len(flat), (_TRIES, 2), p=share):
        if abs(look[i, 0] * look[j, 1] - look[i, 1] * look[j, 0]) < _CROSS:
            continue
        one, two = np.linalg.solve(np.stack([look[i], -look[j]], axis=1), flat[i] - flat[j])
        radius = 0.5 * float(one + two)
        if not RADIUS[0] < radius < RADIUS[1] or abs(one - two) > ROUND * radius:
            continue
        away = flat - (flat[i] - one * look[i])
        far = np.linalg.norm(away, axis=1)
        on = (np.abs(far - radius) < ROUND * radius) & ((away * look).sum(axis=1) > OUTWARDS * far)
        around = len(np.unique(_bins(away[on])))
        if around > most:
            best, most = (flat[i] - one * look[i], radius, on), around
    return best
