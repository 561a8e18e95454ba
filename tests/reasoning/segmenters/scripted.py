"""A mask source that knows the answer, and says it in SAM's way."""

from __future__ import annotations

from typing import Any

import numpy as np

from zdg_jax.reasoning.segmenter import Proposals


class Knows:
    """Logits of the region under a point, and of all it covers in a box; among worse proposals.

    Args:
      regions: label of each pixel, 0 on the background.
      iou: predicted quality of the good masks.
    """

    name = "sam:scripted"

    def __init__(self, regions: np.ndarray, iou: float = 0.95) -> None:
        self.regions, self.iou = regions, iou
        self.points: list[Any] = []
        self.boxes: list[list[float]] = []

    def from_points(self, rgb: np.ndarray, points: np.ndarray) -> Proposals:
        self.points += points.tolist()
        labels = self.regions[points[:, 1].astype(int), points[:, 0].astype(int)]
        good = np.where(self.regions[None] == labels[:, None, None], 5.0, -5.0)
        return self._among_worse(good)

    def from_box(self, rgb: np.ndarray, box: np.ndarray) -> Proposals:
        self.boxes.append(box.tolist())
        u0, v0, u1, v1 = box.astype(int)
        inside = np.zeros(self.regions.shape, bool)
        inside[v0:v1, u0:u1] = True
        share = {n: (inside & (self.regions == n)).sum() / (self.regions == n).sum() for n in self.labels}
        whole = [n for n, s in share.items() if s > 0.9]
        return self._among_worse(np.where(np.isin(self.regions, whole), 5.0, -5.0)[None])

    @property
    def labels(self) -> list[int]:
        return [int(n) for n in np.unique(self.regions) if n > 0]

    def _among_worse(self, good: np.ndarray) -> Proposals:
        """Each good mask between one that is unstable and one of low predicted quality."""
        unstable = np.where(good > 0, 0.5, -0.5)
        logits = np.stack([unstable, good, -good], axis=1)
        return Proposals(logits, np.tile([self.iou, self.iou, 0.3], (len(good), 1)))
