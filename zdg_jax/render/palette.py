"""Colours that every picture shares, 0..1."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from zdg_jax.render.surface import NEUTRAL

SKIN = (0.90, 0.69, 0.56)
TARGET = (0.36, 0.62, 0.86)
THUMB = (0.30, 0.68, 0.42)
INDEX = (0.86, 0.30, 0.27)
INK = (28, 32, 38)

# Hues far apart for neighbours in number; readable over a grey object and under a white label.
_PARTS = (
    (0.89, 0.24, 0.22),
    (0.16, 0.47, 0.84),
    (0.20, 0.66, 0.33),
    (0.97, 0.66, 0.12),
    (0.58, 0.32, 0.76),
    (0.08, 0.70, 0.72),
    (0.91, 0.38, 0.65),
    (0.55, 0.42, 0.30),
    (0.62, 0.71, 0.14),
    (0.38, 0.42, 0.50),
)


def part_color(number: int) -> tuple[float, float, float]:
    """Colour of a part by its number, from 1; repeats after ten."""
    return _PARTS[(number - 1) % len(_PARTS)]


def tinted(
    chosen: Bool[np.ndarray, " faces"],
    color: tuple[float, float, float] = TARGET,
    base: tuple[float, float, float] = NEUTRAL,
) -> Float[np.ndarray, "faces 3"]:
    """Face colours: `color` where chosen, `base` elsewhere."""
    return np.where(chosen[:, None], np.array(color), np.array(base))


def byte(color: tuple[float, float, float]) -> tuple[int, int, int]:
    """0..1 to 0..255."""
    return round(color[0] * 255), round(color[1] * 255), round(color[2] * 255)
