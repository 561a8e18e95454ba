"""Pails with a bail handle standing up."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, ear, tube, vessel
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 900.0  # plastic


def build(draw: Draw) -> Shape:
    r, h = draw(0.12, 0.14), draw(0.22, 0.26)
    body, hollow = vessel([(draw.pick(0.72, 0.8, 0.76, 0.68) * r, 0), (r, h)], 0.004, "body", floor=0.006)
    ring = np.radians(np.arange(0, 360, 10))
    rim = tube(
        np.column_stack([r * np.cos(ring), np.full(36, h), r * np.sin(ring)]),
        0.009,
        "rim",
        closed=True,
        smooth=2,
        sides=12,
    )
    arch = [
        (r * np.cos(a), h - 0.012 + draw.pick(1.0, 0.85, 1.1, 0.95) * r * np.sin(a))
        for a in np.radians(np.arange(0, 181, 20))
    ]
    bail = ear([(x * 1.03, y) for x, y in arch], 0.007, "bail", sides=12)
    top = max(y for _, y in arch)
    grip = tube([(-0.055, top, 0), (0, top, 0), (0.055, top, 0)], draw(0.024, 0.028), "handle", smooth=6)
    lugs = cylinder(0.014, 0.016, "rim", 0.002).turn(z=90).move(x=1.03 * r + 0.006, y=h - 0.012).twin()
    return union(body - hollow, rim, bail, grip, lugs)
