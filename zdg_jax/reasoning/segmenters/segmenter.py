"""Set-of-Mark segments of a view, and the box prompt that completes a choice of them (paper III-A)."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.local_wire import model_place, no_model, require_torch
from zdg_jax.reasoning.segmenters.automatic import (
    AutomaticConfig,
    MaskSource,
    Proposals,
    automatic_masks,
    boxes_of,
    label_map,
)
from zdg_jax.render.cameras import Frame


# Segment Anything through transformers (extra `local`); torch is imported when a model is loaded.
@lru_cache(maxsize=1)
def load_sam(path: str) -> MaskSource:
    """Load a SAM once; on the GPU if torch sees one.

    Args:
      path: a folder, or an id of the hub (looked up offline where HF_HUB_OFFLINE is set).
    Raises:
      UserError: torch is missing, or there is no such model.
    """
    torch = require_torch(f"sam:{path}")
    from transformers import AutoProcessor, SamModel

    place = model_place("SAM", path)
    try:
        processor = AutoProcessor.from_pretrained(place)
        model: Any = SamModel.from_pretrained(place)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise no_model("SAM", path, error) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Sam(path, torch, processor.image_processor, model.to(device).eval())


class Sam:
    """Implements `MaskSource`. One picture at a time; its embedding is kept for the next prompt."""

    def __init__(self, path: str, torch: Any, image_processor: Any, model: Any) -> None:
        self.name = f"sam:{path}"
        self._torch, self._processor, self._model = torch, image_processor, model
        self._lock = threading.Lock()
        self._of: str = ""
        self._seen: tuple[Any, tuple[int, int]] | None = None

    def from_points(self, rgb: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "n 2"]) -> Proposals:
        return self._ask(rgb, input_points=points[None, :, None, :])

    def from_box(self, rgb: UInt8[np.ndarray, "h w 3"], box: Float[np.ndarray, "4"]) -> Proposals:
        return self._ask(rgb, input_boxes=box[None, None, :])

    def _ask(self, rgb: UInt8[np.ndarray, "h w 3"], **prompt: np.ndarray) -> Proposals:
        """Prompts in picture pixels; the model sees the picture scaled to its own size and padded."""
        torch = self._torch
        with self._lock, torch.inference_mode():
            embedding, inner = self._embedding(rgb)
            height, width = rgb.shape[:2]
            scale = np.array([inner[1] / width, inner[0] / height])
            sent = {
                name: torch.as_tensor(
                    values * np.tile(scale, values.shape[-1] // 2),
                    dtype=self._model.dtype,
                    device=self._model.device,
                )
                for name, values in prompt.items()
            }
            output = self._model(image_embeddings=embedding, multimask_output=True, **sent)
            logits = output.pred_masks[0].float()
            side = int(self._model.config.vision_config.image_size)
            logits = torch.nn.functional.interpolate(logits, (side, side), mode="bilinear")
            logits = logits[..., : inner[0], : inner[1]]
            logits = torch.nn.functional.interpolate(logits, (height, width), mode="bilinear")
            return Proposals(logits.cpu().numpy(), output.iou_scores[0].float().cpu().numpy())

    def _embedding(self, rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[Any, tuple[int, int]]:
        """Of the picture, and its (height, width) within the model's padded square."""
        digest = hashlib.sha256(rgb.tobytes()).hexdigest()
        if self._seen is None or digest != self._of:
            inputs = self._processor(images=Image.fromarray(rgb), return_tensors="pt")
            pixels = inputs["pixel_values"].to(self._model.device, self._model.dtype)
            inner = (int(inputs["reshaped_input_sizes"][0][0]), int(inputs["reshaped_input_sizes"][0][1]))
            self._seen, self._of = (self._model.get_image_embeddings(pixels), inner), digest
        return self._seen


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

    return Segmenter(load_sam(path))
