"""Garden trowels and bricklayer's trowels."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import revolve, slab, tube
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 4000.0  # steel, wooden handle


def build(draw: Draw) -> Shape:
    grip, blade, w = draw(0.1, 0.12), draw(0.13, 0.17), draw(0.07, 0.095)
    r = draw(0.014, 0.017)
    rise = draw(0.028, 0.04)
    handle = (
        revolve(
            curve(
                [
                    (0.5 * r, -0.002),
                    (0.95 * r, 0.004),
                    (r, 0.3 * grip),
                    (0.85 * r, 0.7 * grip),
                    (0.9 * r, 0.93 * grip),
                    (0.6 * r, grip),
                ],
                6,
            ),
            "handle",
        )
        .turn(z=90)
        .move(y=rise)
    )
    neck = tube(
        [(-0.004, rise, 0), (0.03, rise, 0), (0.055, 0.4 * rise, 0), (0.085, 0.006, 0)],
        [0.011, 0.01, 0.01, 0.016],
        "neck",
        [0.011, 0.01, 0.01, 0.006],
    )
    if draw.variant % 2 == 0:
        outline = curve(
            [
                (0, 0.4 * w),
                (0.35 * blade, 0.5 * w),
                (0.75 * blade, 0.36 * w),
                (blade, 0),
                (0.75 * blade, -0.36 * w),
                (0.35 * blade, -0.5 * w),
                (0, -0.4 * w),
            ],
            6,
        )
        flat = slab(polygon(outline, 0.003), 0.0028, "blade").finer(0.008)
        bowl = flat.bend(lambda p: p + np.column_stack([0 * p[:, 0], 7.0 * p[:, 2] ** 2, 0 * p[:, 0]]))
        return union(handle, neck, bowl.move(x=0.055, y=0.002))
    flat = slab(
        polygon([(0, 0.25 * w), (0.02, 0.55 * w), (blade, 0.0), (0.02, -0.55 * w), (0, -0.25 * w)], 0.003),
        0.0028,
        "blade",
    )
    return union(handle, neck, flat.move(x=0.06, y=0.002))
