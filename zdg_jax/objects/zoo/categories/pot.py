"""Cooking pots with two loop handles, with or without a lid."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, revolve, tube, vessel
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 4000.0  # steel, empty


def build(draw: Draw) -> Shape:
    r, h, wall = draw(0.09, 0.12), draw(0.09, 0.14), 0.0035
    body, hollow = vessel(curve([(0.93 * r, 0), (r, 0.012), (r, h)], 8), wall, "body", floor=0.006)
    reach, wide, y = draw(0.036, 0.042), draw(0.05, 0.06), 0.78 * h
    root = float(np.sqrt(r * r - wide * wide)) - 0.003
    bow = [
        (root, y, wide),
        (r + 0.7 * reach, y + 0.004, 0.86 * wide),
        (r + reach, y + 0.006, 0),
        (r + 0.7 * reach, y + 0.004, -0.86 * wide),
        (root, y, -wide),
    ]
    handle = tube(bow, 0.012, "handle", 0.011, smooth=5)
    shape = body + handle + handle.turn(y=180)
    if draw.variant % 2:
        lid = revolve(
            curve(
                [(r + 0.003, h - 0.0005), (r + 0.003, h + 0.002), (0.6 * r, h + 0.012), (0.02, h + 0.017)], 5
            ),
            "lid",
        )
        knob = revolve(
            curve([(0.008, h + 0.012), (0.008, h + 0.026), (0.019, h + 0.036), (0.014, h + 0.046)], 6), "knob"
        )
        return union(shape, lid, knob)
    top = box(0.5, 0.1, 0.5, "rim").move(y=h - 0.01)
    return (shape - hollow).zone(top, {"body": "rim", "inside": "rim"})
