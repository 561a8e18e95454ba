"""Set-of-Mark segments of a view, and the box prompt that completes a choice of them (paper III-A)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int

from zdg_jax.errors import UserError
from zdg_jax.reasoning.segmenters.automatic import (
    AutomaticConfig,
    MaskSource,
    automatic_masks,
    boxes_of,
    label_map,
)
from zdg_jax.render.cameras import Frame

_LEAST_AGREEMENT = 0.3


@dataclass(frozen=True)
class Segmenter:
    """Segments views of the object alone.

    Attributes:
      source: the model.
      config: of the automatic masks.
    """

    source: MaskSource
    config: AutomaticConfig = field(default_factory=AutomaticConfig)

    @property
    def name(self) -> str:
        return self.source.name

    def segments(self, frame: Frame) -> Int[np.ndarray, "h w"] | None:
        """Segment of each pixel, from 1; None if the model finds no part that passes.

        Args:
          frame: the view.
        """
        scored = automatic_masks(self.source, frame.rgb, frame.mask, self.config)
        if len(scored.masks) == 0:
            return None
        return label_map(scored.masks, frame.mask, self.config.min_pixels)

    def complete(self, frame: Frame, chosen: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"] | None:
        """M^2d: the model's mask for the smallest box around the chosen segments, cut to the object.

        Of the model's masks the one with the best predicted quality counts. None if it shares less than
        0.3 (IoU) with what was chosen: then it is of something else.

        Args:
          frame: the view.
          chosen: union of the chosen segments, not empty.
        """
        proposals = self.source.from_box(frame.rgb, boxes_of(chosen[None])[0])
        mask = (proposals.logits[0, int(np.argmax(proposals.iou[0]))] > 0) & frame.mask
        agreement = (mask & chosen).sum() / max(int((mask | chosen).sum()), 1)
        return mask if agreement >= _LEAST_AGREEMENT else None


GEOMETRIC = "geometric"
NAMES = (GEOMETRIC, "sam:PATH_OR_ID")


def make_segmenter(name: str) -> Segmenter | None:
    """The segmenter of that name; None for the object's geometric parts.

    Raises:
      UserError: unknown name, torch missing, no such model.
    """
    kind, _, path = name.partition(":")
    if name == GEOMETRIC:
        return None
    if kind != "sam" or not path:
        raise UserError(f"segmenter {name!r}", f"one of {', '.join(NAMES)}", "choose one with --segmenter")
    from zdg_jax.reasoning.segmenters.sam import load_sam

    return Segmenter(load_sam(path))
