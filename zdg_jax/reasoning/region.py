"""Size and axes of a set of surface points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import KDTree

SPAN = 0.08
"""Pieces of a region that are farther apart than this are not held by one hand, metres."""
_POINTS = 400  # enough to tell pieces that far apart


@dataclass(frozen=True)
class Region:
    """A contact region on the object.

    Attributes:
      center: C of paper III-B, mean of the region's samples, metres.
      axes: rows are unit principal directions, by falling extent.
      extents: sizes along `axes`, metres.
    """

    center: Float[np.ndarray, "3"]
    axes: Float[np.ndarray, "3 3"]
    extents: Float[np.ndarray, "3"]

    @property
    def axis(self) -> Float[np.ndarray, "3"]:
        """Direction of the greatest extent."""
        return self.axes[0]


def measure(points: Float[np.ndarray, "n 3"]) -> Region:
    """Centre, principal axes and extents of a point set.

    Args:
      points: metres, at least one.
    Returns:
      the region; each axis points so that its largest component is positive, which makes the
      result independent of the order of the points.
    """
    center = points.mean(axis=0)
    _, vectors = np.linalg.eigh((points - center).T @ (points - center))
    axes = vectors.T[::-1]
    spread = (points - center) @ axes.T
    extents = spread.max(axis=0) - spread.min(axis=0)
    order = np.argsort(-extents, kind="stable")
    axes, extents = axes[order], extents[order]
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(3), largest])
    return Region(center, axes * signs[:, None], extents)


def one_hand(
    points: Float[np.ndarray, "n 3"], mask: Bool[np.ndarray, " n"], near: Float[np.ndarray, "3"]
) -> Bool[np.ndarray, " n"]:
    """The piece of a region that one hand takes: a pot has two handles, and between them is soup.

    Pieces are told apart by gaps of more than `SPAN`. Of those with at least half as many samples as the
    largest, the one whose centre is nearest to a point is kept.

    Args:
      points: the object's surface samples, metres.
      mask: the region.
      near: the camera, or what the rest of the hand holds.
    Returns:
      the mask of that piece; the same mask where there is one piece.
    """
    chosen = np.flatnonzero(mask)
    if len(chosen) < 2:
        return mask
    few = points[chosen[:: -(-len(chosen) // _POINTS)]]
    if len(few) < 2 or (pieces := fcluster(linkage(few, "single"), SPAN, "distance")).max() == 1:
        return mask
    piece = pieces[KDTree(few).query(points[chosen])[1]]
    numbers, sizes = np.unique(piece, return_counts=True)
    large = numbers[2 * sizes >= sizes.max()]
    away = [float(np.linalg.norm(points[chosen[piece == k]].mean(axis=0) - near)) for k in large]
    kept = np.zeros_like(mask)
    kept[chosen[piece == large[int(np.argmin(away))]]] = True
    return kept
