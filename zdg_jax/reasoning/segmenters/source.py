"""What a promptable segmentation model gives: scored mask logits for points and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class Proposals:
    """Masks for n prompts, m a prompt (SAM gives three: whole, part, subpart).

    Attributes:
      logits: above 0 is mask; picture resolution.
      iou: the model's own guess of each mask's quality, 0..1.
    """

    logits: Float[np.ndarray, "n m h w"]
    iou: Float[np.ndarray, "n m"]


@runtime_checkable
class MaskSource(Protocol):
    """A promptable segmentation model. It may keep the last picture's embedding."""

    name: str

    def from_points(self, rgb: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "n 2"]) -> Proposals:
        """Masks at each point (u, v), pixels."""
        ...

    def from_box(self, rgb: UInt8[np.ndarray, "h w 3"], box: Float[np.ndarray, "4"]) -> Proposals:
        """Masks (n = 1) of what fills a box (u0, v0, u1, v1), pixels."""
        ...
