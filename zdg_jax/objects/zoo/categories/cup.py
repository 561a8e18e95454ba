"""Cups without a handle: tumblers and paper cups."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, tube, vessel
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 900.0  # plastic or card


def build(draw: Draw) -> Shape:
    r, h, wall = draw(0.036, 0.043), draw(0.09, 0.125), draw(0.0022, 0.003)
    base = draw.pick(0.72, 0.8, 0.9, 0.68) * r
    profile = [(base, 0), (r, h)] if draw.variant != 2 else curve([(base, 0), (0.86 * r, h / 2), (r, h)])
    body, hollow = vessel(profile, wall, "body", floor=0.005)
    shape = body - hollow
    if draw.variant in (0, 3):  # rolled lip
        ring = np.radians(np.arange(0, 360, 15))
        lip = np.column_stack([r * np.cos(ring), np.full(24, h), r * np.sin(ring)])
        shape = shape + tube(lip, 0.005, "rim", closed=True, smooth=2, sides=12)
    top = box(0.3, 0.03, 0.3, "rim").move(y=h - 0.012)
    return shape.zone(top, {"body": "rim", "inside": "rim"})
