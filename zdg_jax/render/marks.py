"""Set-of-Mark pictures: coloured numbered parts, and numbered candidate points (paper III-A)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from scipy import ndimage

from zdg_jax.render import labels
from zdg_jax.render.frame import Frame
from zdg_jax.render.palette import byte, part_color

_DOT = 4.0
_POINT_COLOR = (205, 35, 45)


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
) -> Marks:
    """Colour every part and write its number at its inmost pixel, in the manner of Set-of-Mark.

    A part too thin for its number gets it beside it, on a leader line.

    Args:
      rgb: the plain picture.
      parts: part number of each pixel, 0 for background.
      numbers: the parts to mark; all that cover at least `min_pixels` if None. Others stay plain.
      min_pixels: fewer visible pixels than that can't be pointed at.
      text_size: of the numbers, pixels.
    """
    if numbers is None:
        found, counts = np.unique(parts[parts > 0], return_counts=True)
        numbers = [int(n) for n, c in zip(found, counts, strict=True) if c >= min_pixels]
    shown = tuple(n for n in numbers if (parts == n).any())
    image = rgb.astype(np.float64) / 255
    gray = image.mean(axis=2, keepdims=True)
    anchors, marks, roomy = [], [], []
    for number in shown:
        mask = parts == number
        color = np.array(part_color(number))
        image[mask] = 0.42 * image[mask] + 0.58 * np.clip(color * (0.35 + 0.85 * gray[mask]), 0, 1)
        rim = mask & ~np.asarray(ndimage.binary_erosion(mask, iterations=2, border_value=1), dtype=bool)
        image[rim] = 0.25 * image[rim] + 0.75 * 0.8 * color
        u, v, room = inmost_pixel(mask)
        anchors.append((u + 0.5, v + 0.5))
        marks.append(labels.Label(str(number), anchors[-1], byte(part_color(number))))
        roomy.append(room >= 0.5 * text_size)
    picture = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    centers = labels.place(marks, text_size, parts.shape, avoid=parts > 0, stay=roomy)
    picture = labels.draw(picture, marks, centers, text_size)
    return Marks(picture, shown, np.array(anchors, dtype=np.float64).reshape(-1, 2))


def point_marks(
    rgb: UInt8[np.ndarray, "h w 3"],
    pixels: Int[np.ndarray, "n 2"],
    numbers: Sequence[int] | None = None,
    *,
    mask: Bool[np.ndarray, "h w"] | None = None,
    text_size: float = 15.0,
    zoom: bool = True,
) -> Marks:
    """Draw numbered candidate points; close-set points are shown enlarged, so that each stays readable.

    Args:
      rgb: the plain picture.
      pixels: column and row of each point.
      numbers: of each point; 1..n if None.
      mask: M_func^2d, tinted lightly to show what the points outline.
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
    image = rgb.astype(np.float64)
    if mask is not None:
        image[mask] = 0.65 * image[mask] + 0.35 * np.array([90, 160, 225])
    picture = Image.fromarray(np.rint(image).astype(np.uint8))
    avoid = ~np.all(rgb == rgb[:, :1], axis=2) if mask is None else mask
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
        avoid = np.asarray(Image.fromarray(avoid).resize(picture.size, Image.Resampling.NEAREST, box=box))
        anchors = (anchors - low) * scale
    marks = [
        labels.Label(str(n), (float(a[0]), float(a[1])), _POINT_COLOR)
        for n, a in zip(shown, anchors, strict=True)
    ]
    centers = labels.place(marks, text_size, avoid.shape, avoid=avoid, dot=_DOT)
    return Marks(labels.draw(picture, marks, centers, text_size, dot=_DOT), shown, anchors)


def _window(
    anchors: Float[np.ndarray, "n 2"], height: int, width: int
) -> tuple[Float[np.ndarray, "2"], float]:
    """Corner and shorter side of the cut-out that gives the points room; at most the whole picture."""
    short = min(height, width)
    side = float(np.clip(1.7 * np.ptp(anchors, axis=0).max(), short / 4, short))
    size = np.array([width, height]) * side / short
    middle = (anchors.max(axis=0) + anchors.min(axis=0)) / 2
    return np.clip(middle - size / 2, 0, np.array([width, height]) - size), side
