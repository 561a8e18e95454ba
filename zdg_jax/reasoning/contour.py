"""Candidate contact points along a mask's outline (paper III-A, point level)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

_INSET = 2  # pixels; on the very outline, depth and normal are those of a grazing ray


def contour_points(mask: Bool[np.ndarray, "h w"], count: int) -> Int[np.ndarray, "n 2"]:
    """Pixels spread evenly over the outline of a mask, a little inside it.

    Farthest-point sampling over the outline's pixels, numbered clockwise from the top. Pieces of the mask
    that are smaller than a tenth of its largest (a part showing through a gap) get no points.

    Args:
      mask: M_func^2d.
      count: how many points; fewer come back if the outline has fewer pixels.
    Returns:
      rows (u, v): column and row of a pixel inside the mask.
    """
    mask = _without_specks(mask)
    inner = np.asarray(ndimage.binary_erosion(mask, iterations=_INSET), dtype=bool)
    # A part thinner than the inset keeps its own outline.
    body = inner if inner.sum() >= count else mask
    edge = body & ~np.asarray(ndimage.binary_erosion(body), dtype=bool)
    rows, columns = np.nonzero(edge)
    if len(rows) == 0:
        return np.zeros((0, 2), int)
    pixels = np.stack([columns, rows], axis=1)
    chosen = [int(pixels[:, 1].argmin())]
    distance = np.linalg.norm(pixels - pixels[chosen[0]], axis=1)
    while len(chosen) < min(count, len(pixels)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(pixels - pixels[chosen[-1]], axis=1))
    points = pixels[chosen]
    offset = points - points.mean(axis=0)
    clockwise = np.arctan2(offset[:, 0], -offset[:, 1]) % (2 * np.pi)
    return points[np.argsort(clockwise, kind="stable")]


def _without_specks(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    piece = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=piece)
    if piece.max() < 2:
        return mask
    size = np.bincount(piece.ravel())
    size[0] = 0
    return (size >= 0.1 * size.max())[piece]
