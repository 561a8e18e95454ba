"""Food and drink cans."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, revolve, slab
from zdg_jax.objects.zoo.outline import ellipse
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 1000.0  # tin with contents


def build(draw: Draw) -> Shape:
    r, h = draw.pick(0.033, 0.037, 0.043, 0.026), draw.pick(0.115, 0.105, 0.055, 0.13)
    r, h = r * draw(0.97, 1.03), h * draw(0.97, 1.03)
    drink = draw.variant in (0, 3)
    if drink:
        profile = [
            (0.78 * r, 0),
            (0.84 * r, 0.002),
            (r, 0.011),
            (r, h - 0.014),
            (0.82 * r, h - 0.003),
            (0.82 * r, h),
        ]
        sunk = cylinder(0.76 * r, 0.02, "top").move(y=h - 0.004)
        body = revolve(profile, "body") - sunk
        tab = slab(ellipse(0.017, 0.025, 24), 0.0016, "tab").move(y=h - 0.0045, z=-0.1 * r)
        return body + tab
    wave = np.arange(41)
    ribs = np.column_stack([r - 0.0007 * (1 - np.cos(wave * np.pi / 4)), h * (0.2 + 0.015 * wave)])
    body = revolve(
        [
            (r, 0.0),
            (1.03 * r, 0.001),
            (1.03 * r, 0.003),
            (r, 0.004),
            *ribs.tolist(),
            (r, h - 0.004),
            (1.03 * r, h - 0.003),
            (1.03 * r, h),
        ],
        "body",
    )
    return body - cylinder(0.96 * r, 0.02, "top").move(y=h - 0.0035)
