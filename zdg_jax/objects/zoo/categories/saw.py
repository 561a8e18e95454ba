"""Hand saws with a closed handle, lying flat."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import slab
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 3500.0  # steel blade, wooden handle


def build(draw: Draw) -> Shape:
    length, tall = draw(0.3, 0.42), draw(0.09, 0.115)
    tip = draw.pick(0.45, 0.6, 0.35, 0.5) * tall
    count = int(length / 0.009)
    teeth = [
        (length - (i + 0.5 * k) * length / count, (0 if k == 0 else 0.0045))
        for i in range(count)
        for k in (0, 1)
    ]
    blade = slab(polygon([(0, 0.0), (0, tall), (length, tip), *teeth]), 0.002, "blade").move(y=0.011)
    grip = np.array(
        [
            (0.015, -0.004),
            (0.02, tall),
            (-0.02, tall + 0.018),
            (-0.085, tall + 0.012),
            (-0.1, tall - 0.02),
            (-0.082, 0.4 * tall),
            (-0.1, 0.12 * tall),
            (-0.075, -0.012),
            (-0.03, -0.012),
        ]
    )
    handle = slab(polygon(curve(grip, 6, closed=True)), 0.024, "handle", 0.004)
    hole = slab(
        polygon(
            curve(
                [
                    (-0.018, 0.2 * tall),
                    (-0.014, 0.8 * tall),
                    (-0.04, 0.88 * tall),
                    (-0.058, 0.75 * tall),
                    (-0.052, 0.4 * tall),
                    (-0.062, 0.2 * tall),
                    (-0.045, 0.1 * tall),
                ],
                6,
                closed=True,
            )
        ),
        0.1,
        "handle",
    ).move(y=-0.05)
    return blade + (handle - hole)
