"""Numbered labels that never cover each other, with leader lines where they had to move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw, ImageFont

_FINE = 3  # overlays are drawn this much larger, then reduced: PIL draws without antialiasing


@dataclass(frozen=True)
class Label:
    """A text of which `anchor` (u, v) says what it names; `color` is that of its rim, 0..255."""

    text: str
    anchor: tuple[float, float]
    color: tuple[int, int, int]


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that ships with Pillow, so that pictures are the same everywhere."""
    return ImageFont.load_default(size)


def box_size(text: str, text_size: float) -> tuple[float, float]:
    """Width and height of a label's box in pixels."""
    left, _, right, _ = font(text_size).getbbox(text)
    return max(right - left + 0.62 * text_size, 1.38 * text_size), 1.38 * text_size


def place(
    labels: Sequence[Label],
    text_size: float,
    shape: tuple[int, int],
    *,
    avoid: Bool[np.ndarray, "h w"] | None = None,
    stay: Sequence[bool] | None = None,
    dot: float = 0.0,
) -> list[tuple[float, float]]:
    """Centre of each label's box: as near its anchor as it can be without covering another label.

    Greedy over rings around the anchor; a spot costs its distance, plus the share of the box that
    lies on `avoid`. Boxes stay inside the picture and off every other anchor.

    Args:
      labels: in drawing order.
      text_size: pixels.
      shape: height and width of the picture.
      avoid: pixels better left visible.
      stay: True for labels that may sit on their own anchor.
      dot: radius in pixels around every anchor that other labels keep clear.
    """
    anchors = np.array([label.anchor for label in labels], dtype=np.float64).reshape(-1, 2)
    center = anchors.mean(axis=0) if len(anchors) else np.zeros(2)
    placed: list[tuple[np.ndarray, np.ndarray]] = []
    for i, label in enumerate(labels):
        half = np.array(box_size(label.text, text_size)) / 2
        own = stay is not None and stay[i]
        outward = anchors[i] - center
        start = np.arctan2(outward[1], outward[0]) if np.linalg.norm(outward) > 1 else -np.pi / 2
        best, best_cost = None, np.inf
        for ring in range(13):
            radius = ring * 0.55 * text_size
            if ring == 0 and not own:
                continue
            if radius >= best_cost:  # no spot further out can cost less
                break
            for turn in range(24 if ring else 1):
                angle = start + (turn + 1) // 2 * (-1) ** turn * np.pi / 12
                spot = anchors[i] + radius * np.array([np.cos(angle), np.sin(angle)])
                cost = _cost(spot, half, anchors, i, placed, shape, avoid, text_size, dot, own)
                cost += radius + 0.05 * text_size * turn / 2
                if cost < best_cost:
                    best, best_cost = spot, cost
        spot = anchors[i] if best is None else best
        placed.append((spot, half))
    return [(float(spot[0]), float(spot[1])) for spot, _ in placed]


def _cost(
    spot: Float[np.ndarray, "2"],
    half: Float[np.ndarray, "2"],
    anchors: Float[np.ndarray, "n 2"],
    i: int,
    placed: Sequence[tuple[np.ndarray, np.ndarray]],
    shape: tuple[int, int],
    avoid: Bool[np.ndarray, "h w"] | None,
    text_size: float,
    dot: float,
    own: bool,
) -> float:
    """What speaks against a spot; an overlap costs more than any distance."""
    cost = 0.0
    if (spot - half < 1).any() or (spot + half > np.array(shape[::-1]) - 1).any():
        cost += 100 * text_size
    for other, its_half in placed:
        overlap = np.minimum(spot + half, other + its_half) - np.maximum(spot - half, other - its_half) + 2
        if (overlap > 0).all():
            cost += 40 * text_size + overlap.prod()
    near = np.abs(anchors - spot) < half + dot
    near[i] &= not own
    cost += 20 * text_size * np.count_nonzero(near.all(axis=1))
    if avoid is not None:
        low, high = np.floor(spot - half).astype(int), np.ceil(spot + half).astype(int)
        patch = avoid[max(low[1], 0) : max(high[1], 0), max(low[0], 0) : max(high[0], 0)]
        cost += 2.0 * text_size * patch.mean() if patch.size else 0.0
    return cost


def draw(
    picture: Image.Image,
    labels: Sequence[Label],
    centers: Sequence[tuple[float, float]],
    text_size: float,
    *,
    dot: float = 0.0,
) -> Image.Image:
    """The picture with its labels: leader line and dot at the anchor, white box, dark text."""
    f = _FINE
    layer = Image.new("RGBA", (picture.width * f, picture.height * f), (255, 255, 255, 0))
    pen = ImageDraw.Draw(layer)
    for label, center in zip(labels, centers, strict=True):
        if np.hypot(center[0] - label.anchor[0], center[1] - label.anchor[1]) > 1:
            ends = [(x * f, y * f) for x, y in (label.anchor, center)]
            pen.line(ends, fill=(255, 255, 255, 230), width=4 * f)
            pen.line(ends, fill=(*label.color, 255), width=2 * f)
    for label, center in zip(labels, centers, strict=True):
        moved = np.hypot(center[0] - label.anchor[0], center[1] - label.anchor[1]) > 1
        radius = dot or (2.5 if moved else 0.0)
        if radius:
            x, y = label.anchor[0] * f, label.anchor[1] * f
            pen.ellipse(
                [x - radius * f, y - radius * f, x + radius * f, y + radius * f],
                fill=(*label.color, 255),
                outline=(255, 255, 255, 255),
                width=f,
            )
    for label, center in zip(labels, centers, strict=True):
        w, h = (s * f / 2 for s in box_size(label.text, text_size))
        x, y = center[0] * f, center[1] * f
        pen.rounded_rectangle(
            [x - w, y - h, x + w, y + h],
            radius=0.35 * h * 2,
            fill=(255, 255, 255, 240),
            outline=(*label.color, 255),
            width=round(1.6 * f),
        )
        pen.text((x, y), label.text, font=font(text_size * f), fill=(20, 24, 30, 255), anchor="mm")
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
