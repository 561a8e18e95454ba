"""Automatic masks: a grid of points, the model's masks at each, the good and different ones kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage


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
