"""Claw and cross-pein hammers, lying on their side."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, panel, revolve, tube
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 4500.0  # steel head, wooden handle


def build(draw: Draw) -> Shape:
    length, w = draw(0.26, 0.32), draw(0.028, 0.034)
    t = draw(0.02, 0.024)
    handle = tube(
        [(0, 0, 0), (0.3 * length, 0, 0), (0.65 * length, 0, 0), (length, 0, 0)],
        [w, 0.95 * w, 0.75 * w, 0.75 * w],
        "handle",
        [t, t, 0.8 * t, 0.8 * t],
        square=2.6,
    )
    x, side = length - 0.004, draw(0.024, 0.028)
    face = revolve(
        [
            (0.8 * side * 0.6, 0),
            (side * 0.6, 0.003),
            (side * 0.6, 0.016),
            (0.42 * side, 0.022),
            (0.42 * side, 0.04),
        ],
        "head",
    )
    head = box(side, side, 0.036, "head", 0.003).move(x, -side / 2)
    head = head + face.turn(x=-90).move(x, 0, 0.055)
    if draw.variant % 2 == 0:  # claw
        bow = curve([(0, 0.012), (0.028, 0.011), (0.056, 0.003), (0.075, -0.014)], 6)
        lower = curve([(0.07, -0.018), (0.05, -0.009), (0.026, -0.008), (0, -0.012)], 6)
        claw = panel(polygon(np.concatenate([bow, lower])), side, "claw").turn(y=90)
        slot = blend(
            "claw", box(0.008, 0.1, 0.004, "x").move(z=-0.08), box(0.001, 0.1, 0.001, "x").move(z=-0.032)
        ).move(y=-0.05)
        claw = (claw - slot).turn(z=-90).move(x, 0, -0.006)
    else:
        claw = blend(
            "claw",
            box(side, side, 0.004, "x", 0.001).move(y=-side / 2, z=-0.01),
            box(side, 0.005, 0.004, "x").move(y=-0.0025, z=-0.07),
        ).move(x)
    return union(handle, head, claw)
