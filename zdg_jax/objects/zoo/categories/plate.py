"""Dinner plates: a well, a rim that rises, a foot."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, revolve
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 2300.0  # porcelain


def build(draw: Draw) -> Shape:
    r, t = draw(0.1, 0.135), draw(0.0045, 0.006)
    well, rise = draw.pick(0.62, 0.7, 0.55, 0.8) * r, draw(0.016, 0.026)
    line = curve([(0, 0.004), (0.6 * well, 0.004), (well, 0.006), (1.08 * well, 0.55 * rise), (r, rise)], 6)
    line[:, 0] = np.maximum(line[:, 0], 0)
    upper = line + np.array([0, t])
    section = polygon(np.concatenate([line, upper[::-1]]))
    foot = revolve([(0.62 * well, 0), (0.62 * well, 0.006)], "bottom") - revolve(
        [(0.56 * well, -0.01), (0.56 * well, 0.0035)], "bottom"
    )
    disc = revolve(section, "center", 64)
    inner = revolve([(1.04 * well, -0.1), (1.04 * well, 0.1)], "x", 64)
    ring = cylinder(0.3, 0.3, "x").move(y=-0.1) - inner
    return (disc + foot).zone(ring, {"center": "rim"})
