"""Size and axes of a set of surface points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


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
