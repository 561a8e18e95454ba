"""Magnifying glasses lying flat."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1800.0  # glass and plastic


def build(draw: Draw) -> Shape:
    r, grip = draw(0.034, 0.046), draw(0.1, 0.12)
    ring = np.radians(np.arange(0, 360, 20))
    rim = tube(
        np.column_stack([r * np.cos(ring), np.zeros(18), r * np.sin(ring)]),
        0.006,
        "rim",
        0.011,
        closed=True,
        smooth=3,
    )
    lens = revolve(
        curve(
            [
                (0.02 * r, -0.004),
                (0.6 * r, -0.0028),
                (r, -0.001),
                (r, 0.001),
                (0.6 * r, 0.0028),
                (0.02 * r, 0.004),
            ],
            5,
        ),
        "lens",
    )
    neck = cylinder(0.005, 0.026, "neck", segments=24).turn(z=90).move(-r + 0.001)
    g = draw(0.009, 0.0115)
    handle = (
        revolve(
            curve(
                [
                    (0.5 * g, 0),
                    (0.8 * g, 0.004),
                    (draw.pick(0.8, 0.7, 0.9, 0.75) * g, 0.35 * grip),
                    (1.1 * g, 0.75 * grip),
                    (0.9 * g, 0.97 * grip),
                    (0.4 * g, grip),
                ],
                6,
            ),
            "handle",
        )
        .turn(z=90)
        .move(-r - 0.02)
    )
    return union(rim, lens, neck, handle)
