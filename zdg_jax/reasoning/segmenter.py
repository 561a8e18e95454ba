"""Set-of-Mark segments of a view, and the automatic masks behind them, the good and different ones kept."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from scipy import ndimage

from zdg_jax.errors import UserError
from zdg_jax.reasoning.models.local_wire import model_place, no_model, require_torch
from zdg_jax.render.scene import Frame


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


_BATCH = 16  # points a call; 16 x 3 masks of 512 x 512 logits are 50 MB


@dataclass(frozen=True)
class AutomaticConfig:
    """Thresholds, those of Segment Anything where it has one.

    Attributes:
      points_per_side: of the grid over the picture.
      min_iou: least predicted quality.
      min_stability: least stability, see `stability`.
      offset: of the logits in it.
      max_box_iou: of two masks whose boxes overlap more, the better one stays.
      max_overlap: the same for the masks themselves, once cut to the object.
      min_pixels: smaller masks can't be pointed at.
      max_masks: the best so many; more marks than that can't be told apart.
    """

    points_per_side: int = 32
    min_iou: float | int = 0.88
    min_stability: float | int = 0.95
    offset: float | int = 1.0
    max_box_iou: float | int = 0.7
    max_overlap: float | int = 0.85
    min_pixels: int = 60
    max_masks: int = 12


@dataclass(frozen=True)
class ScoredMasks:
    """Masks of one picture, best first.

    Attributes:
      masks: picture resolution.
      score: predicted quality.
    """

    masks: Bool[np.ndarray, "n h w"]
    score: Float[np.ndarray, " n"]


def automatic_masks(
    source: MaskSource,
    rgb: UInt8[np.ndarray, "h w 3"],
    on: Bool[np.ndarray, "h w"],
    config: AutomaticConfig | None = None,
) -> ScoredMasks:
    """Segment Anything's automatic mask generation, restricted to the object.

    Args:
      source: the model.
      rgb: the plain picture.
      on: the object's pixels; points elsewhere are not asked, masks are cut to it.
      config: thresholds.
    Returns:
      masks of parts of the object, best first; none if none passes.
    """
    config = config or AutomaticConfig()
    points = grid_points(on, config.points_per_side)
    kept_masks, kept_scores = [np.zeros((0, *on.shape), bool)], [np.zeros(0)]
    for start in range(0, len(points), _BATCH):
        proposals = source.from_points(rgb, points[start : start + _BATCH])
        logits, iou = proposals.logits.reshape(-1, *on.shape), proposals.iou.reshape(-1)
        sure = np.flatnonzero(iou >= config.min_iou)
        sure = sure[stability(logits[sure], config.offset) >= config.min_stability]
        masks = (logits[sure] > 0) & on
        big = masks.sum(axis=(1, 2)) >= config.min_pixels
        kept_masks.append(masks[big])
        kept_scores.append(iou[sure][big])
    masks, scores = np.concatenate(kept_masks), np.concatenate(kept_scores).astype(np.float64)
    chosen = suppress(boxes_of(masks), scores, config.max_box_iou)
    chosen = _different(masks, chosen, config.max_overlap)[: config.max_masks]
    return ScoredMasks(masks[chosen], scores[chosen])


def grid_points(on: Bool[np.ndarray, "h w"], per_side: int) -> Float[np.ndarray, "n 2"]:
    """Centres (u, v) of the cells of a square grid over the picture that lie on the object, pixels."""
    height, width = on.shape
    u, v = np.meshgrid(
        (np.arange(per_side) + 0.5) * width / per_side, (np.arange(per_side) + 0.5) * height / per_side
    )
    u, v = u.ravel(), v.ravel()
    inside = on[v.astype(int), u.astype(int)]
    return np.stack([u, v], axis=1)[inside]


def stability(logits: Float[np.ndarray, "n h w"], offset: float | int) -> Float[np.ndarray, " n"]:
    """IoU of each mask cut off at +offset with itself cut off at -offset; 0 where both are empty."""
    inner = (logits > offset).sum(axis=(1, 2))
    outer = (logits > -offset).sum(axis=(1, 2))
    return inner / np.maximum(outer, 1)


def boxes_of(masks: Bool[np.ndarray, "n h w"]) -> Float[np.ndarray, "n 4"]:
    """(u0, v0, u1, v1) around each mask, the far side exclusive; zeros for an empty one."""
    boxes = np.zeros((len(masks), 4))
    for row, mask in zip(boxes, masks, strict=True):
        v, u = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(u):
            row[:] = u[0], v[0], u[-1] + 1, v[-1] + 1
    return boxes


def suppress(
    boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], max_iou: float | int
) -> Int[np.ndarray, " kept"]:
    """Non-maximum suppression: indices by falling score, without those that overlap a better one too much.

    Args:
      boxes: (u0, v0, u1, v1).
      scores: higher is better; of equals the first stays.
      max_iou: greatest allowed overlap of two boxes.
    """
    order, kept = np.argsort(-scores, kind="stable"), []
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        order = rest[shared <= max_iou * (area[best] + area[rest] - shared)]
    return np.array(kept, dtype=np.int64)


def label_map(
    masks: Bool[np.ndarray, "n h w"], on: Bool[np.ndarray, "h w"], min_pixels: int
) -> Int[np.ndarray, "h w"]:
    """Every pixel of the object to one segment, numbered from 1 by falling size; 0 off the object.

    Small masks lie on large ones. What no mask covers makes segments of its own where it is large enough,
    and joins the nearest segment where it is not; so do slivers that others left of a mask.

    Args:
      masks: cut to the object.
      on: the object's pixels.
      min_pixels: of a segment.
    """
    labels = np.zeros(on.shape, np.int64)
    for number, i in enumerate(np.argsort(-masks.sum(axis=(1, 2)), kind="stable"), start=1):
        labels[masks[i] & on] = number
    bare = np.zeros(on.shape, np.int32)
    ndimage.label(on & (labels == 0), output=bare)
    labels[bare > 0] = bare[bare > 0] + len(masks)
    numbers, counts = np.unique(labels[on], return_counts=True)
    large = counts >= min_pixels
    if not large.any():
        return on.astype(np.int64)
    small = on & np.isin(labels, numbers[~large])
    index = ndimage.distance_transform_edt(~on | small, return_distances=False, return_indices=True)
    labels[small] = labels[tuple(np.asarray(index)[:, small])]
    numbers, counts = np.unique(labels[on], return_counts=True)
    renumbered = np.zeros(labels.max() + 1, np.int64)
    renumbered[numbers[np.argsort(-counts, kind="stable")]] = np.arange(1, len(numbers) + 1)
    return renumbered[labels]


def _different(
    masks: Bool[np.ndarray, "n h w"], order: Int[np.ndarray, " kept"], max_overlap: float | int
) -> list[int]:
    """Those of `order`, best first, that are not nearly the same mask as a better one."""
    kept: list[int] = []
    for i in order.tolist():
        shared = [(masks[i] & masks[j]).sum() / (masks[i] | masks[j]).sum() for j in kept]
        if not shared or max(shared) <= max_overlap:
            kept.append(i)
    return kept


# Set-of-Mark segments of a view, and the box prompt that completes a choice of them (paper III-A).
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
