"""Marks on pictures, and the labels beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from zdg_jax.render.scene import Frame, byte, part_color

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


_DOT = 4.0
TINT = 0.58
_POINT_COLOR = (20, 24, 30)  # unlike that of any part


@dataclass(frozen=True)
class Marks:
    """A marked picture.

    Attributes:
      image: what a reasoner sees.
      shown: the numbers that are drawn.
      anchors: (u, v) of each number in `image`: a part's inmost pixel, or a point.
    """

    image: Image.Image
    shown: tuple[int, ...]
    anchors: Float[np.ndarray, "n 2"]


def part_map(frame: Frame, face_part: Int[np.ndarray, " faces"]) -> Int[np.ndarray, "h w"]:
    """Part number of each pixel of a frame of the object alone; 0 is background."""
    return np.where(frame.mask, face_part[np.maximum(frame.face, 0)], 0)


def inmost_pixel(mask: Bool[np.ndarray, "h w"]) -> tuple[int, int, float]:
    """(u, v) of the pixel furthest from the mask's border, and that distance in pixels."""
    distance = np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]
    v, u = np.unravel_index(int(np.argmax(distance)), mask.shape)
    return int(u), int(v), float(distance[v, u])


def part_marks(
    rgb: UInt8[np.ndarray, "h w 3"],
    parts: Int[np.ndarray, "h w"],
    numbers: Sequence[int] | None = None,
    *,
    min_pixels: int = 60,
    text_size: float = 19.0,
    tint: Mapping[int, float] | None = None,
    notes: Mapping[int, str] | None = None,
) -> Marks:
    """Colour every part and write its number at its inmost pixel, in the manner of Set-of-Mark.

    A part too thin for its number gets it beside it, on a leader line.

    Args:
      rgb: the plain picture.
      parts: part number of each pixel, 0 for background.
      numbers: the parts to mark; all that cover at least `min_pixels` if None. Others stay plain.
      min_pixels: fewer visible pixels than that can't be pointed at.
      text_size: of the numbers, pixels.
      tint: how strongly a part is coloured, 0..1; `TINT` where it does not say.
      notes: words after a part's number.
    """
    if numbers is None:
        found, counts = np.unique(parts[parts > 0], return_counts=True)
        numbers = [int(n) for n, c in zip(found, counts, strict=True) if c >= min_pixels]
    shown = tuple(n for n in numbers if (parts == n).any())
    picture = Image.fromarray(_tinted(rgb, parts, shown, tint or {}))
    marks, roomy = _part_labels(parts, shown, notes or {}, text_size)
    centers = place(marks, text_size, parts.shape, avoid=parts > 0, stay=roomy)
    picture = draw(picture, marks, centers, text_size)
    return Marks(picture, shown, np.array([m.anchor for m in marks], dtype=np.float64).reshape(-1, 2))


def _tinted(
    rgb: UInt8[np.ndarray, "h w 3"],
    parts: Int[np.ndarray, "h w"],
    numbers: Sequence[int],
    tint: Mapping[int, float],
) -> UInt8[np.ndarray, "h w 3"]:
    """Parts in the colours of their numbers, with a rim."""
    image = rgb.astype(np.float64) / 255
    gray = image.mean(axis=2, keepdims=True)
    for number in numbers:
        mask, color, strength = parts == number, np.array(part_color(number)), tint.get(number, TINT)
        image[mask] = (1 - strength) * image[mask] + strength * np.clip(
            color * (0.35 + 0.85 * gray[mask]), 0, 1
        )
        rim = mask & ~np.asarray(ndimage.binary_erosion(mask, iterations=2, border_value=1), dtype=bool)
        image[rim] = 0.25 * image[rim] + 0.75 * 0.8 * color
    return np.rint(image * 255).astype(np.uint8)


def _part_labels(
    parts: Int[np.ndarray, "h w"], numbers: Sequence[int], notes: Mapping[int, str], text_size: float
) -> tuple[list[Label], list[bool]]:
    """A label at the inmost pixel of each part, and whether it has room there."""
    marks, roomy = [], []
    for number in numbers:
        u, v, room = inmost_pixel(parts == number)
        text = f"{number} {notes[number]}" if number in notes else str(number)
        marks.append(Label(text, (u + 0.5, v + 0.5), byte(part_color(number))))
        roomy.append(room >= 0.5 * text_size)
    return marks, roomy


def point_marks(
    rgb: UInt8[np.ndarray, "h w 3"],
    pixels: Int[np.ndarray, "n 2"],
    numbers: Sequence[int] | None = None,
    *,
    parts: Int[np.ndarray, "h w"] | None = None,
    notes: Mapping[int, str] | None = None,
    text_size: float = 15.0,
    zoom: bool = True,
) -> Marks:
    """Draw numbered candidate points; close-set points are shown enlarged, so that each stays readable.

    Args:
      rgb: the plain picture.
      pixels: column and row of each point.
      numbers: of each point; 1..n if None.
      parts: part number of each pixel that is tinted, as in `part_marks`; 0 elsewhere.
      notes: words after a part's number.
      text_size: pixels.
      zoom: enlarge the surroundings of the points where they fill little of the picture.

    Raises:
      ValueError: if there are no points, or not one number a point.
    """
    if len(pixels) == 0:
        raise ValueError("got no points to mark; expected at least one")
    shown = tuple(range(1, len(pixels) + 1)) if numbers is None else tuple(numbers)
    if len(shown) != len(pixels):
        raise ValueError(f"got {len(shown)} numbers for {len(pixels)} points")
    if parts is None:
        parts = np.zeros(rgb.shape[:2], dtype=np.int64)
    tinted = [int(n) for n in np.unique(parts[parts > 0])]
    picture = Image.fromarray(_tinted(rgb, parts, tinted, {}))
    anchors = pixels + 0.5
    if zoom:
        low, side = _window(anchors, rgb.shape[0], rgb.shape[1])
        scale = min(rgb.shape[:2]) / side
        box = (
            low[0],
            low[1],
            low[0] + side * rgb.shape[1] / min(rgb.shape[:2]),
            low[1] + side * rgb.shape[0] / min(rgb.shape[:2]),
        )
        picture = picture.resize(picture.size, Image.Resampling.BICUBIC, box=box)
        cut = Image.fromarray(parts.astype(np.int32))
        parts = np.asarray(cut.resize(picture.size, Image.Resampling.NEAREST, box=box))
        anchors = (anchors - low) * scale
    named, stay = _part_labels(parts, [n for n in tinted if (parts == n).any()], notes or {}, text_size)
    marks = [
        Label(str(n), (float(a[0]), float(a[1])), _POINT_COLOR) for n, a in zip(shown, anchors, strict=True)
    ]
    stay += [False] * len(marks)
    centers = place([*named, *marks], text_size, parts.shape, avoid=parts > 0, stay=stay, dot=_DOT)
    return Marks(draw(picture, [*named, *marks], centers, text_size, dot=_DOT), shown, anchors)


def _window(
    anchors: Float[np.ndarray, "n 2"], height: int, width: int
) -> tuple[Float[np.ndarray, "2"], float]:
    """Corner and shorter side of the cut-out that gives the points room; at most the whole picture."""
    short = min(height, width)
    side = float(np.clip(1.7 * np.ptp(anchors, axis=0).max(), short / 4, short))
    size = np.array([width, height]) * side / short
    middle = (anchors.max(axis=0) + anchors.min(axis=0)) / 2
    return np.clip(middle - size / 2, 0, np.array([width, height]) - size), side
