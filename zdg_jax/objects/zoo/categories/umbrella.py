"""Folded umbrellas with a crook or a straight handle."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, ear, loft, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 600.0  # fabric and steel


def build(draw: Draw) -> Shape:
    canopy, r = draw(0.45, 0.56), draw(0.024, 0.03)
    stick = draw(0.09, 0.12)
    rod = cylinder(0.005, canopy + stick + 0.06, "shaft", segments=20).move(y=-0.05)
    folds = 8
    t = np.arange(64) * 2 * np.pi / 64
    rings = []
    for u in np.linspace(0, 1, 22):
        size = (
            r * (0.3 + 0.7 * np.sin(np.pi * min(0.5, 0.5 * u / 0.75)) ** 1.2)
            if u < 0.75
            else r * (1.0 - 0.5 * (u - 0.75))
        )
        wave = size * (1 + 0.14 * np.cos(folds * t + 2.2 * u))
        rings.append(np.column_stack([wave * np.cos(t), np.full(64, 0.01 + u * canopy), wave * np.sin(t)]))
    cloth = loft(np.array(rings), "canopy")
    band = cylinder(1.02 * r, 0.016, "strap", 0.002).move(y=0.7 * canopy)
    top = canopy + stick
    if draw.variant % 2 == 0:
        c = draw(0.04, 0.048)
        hook = [
            (0, top - 0.035),
            (0, top + 0.02),
            *((c - c * np.cos(a), top + 0.04 + c * np.sin(a)) for a in np.radians([0, 45, 90, 135, 180])),
            (2 * c, top + 0.02),
        ]
        handle = ear(hook, draw(0.017, 0.021), "handle")
    else:
        handle = revolve(
            curve(
                [
                    (0.006, top - 0.04),
                    (0.013, top - 0.03),
                    (0.0155, top + 0.03),
                    (0.014, top + 0.065),
                    (0.007, top + 0.075),
                ],
                6,
            ),
            "handle",
        )
    spike = revolve([(0.002, -0.055), (0.0055, -0.045), (0.0055, 0.012)], "tip", 20)
    return union(rod, cloth, band, handle, spike).turn(z=90)
