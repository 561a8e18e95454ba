"""Table and serving forks with three or four tines."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, slab, tube
from zdg_jax.objects.zoo.outline import curve, polygon, rectangle
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 7800.0  # steel


def build(draw: Draw) -> Shape:
    length, w, tines = draw(0.18, 0.205), draw(0.024, 0.028), draw.pick(4, 3, 4, 2)
    head, slot = draw(0.062, 0.072), draw(0.042, 0.05)
    gap = 0.0026 if tines > 2 else 0.007
    outline = polygon(
        curve(
            [
                (-0.004, 0.0045),
                (0.01, 0.48 * w),
                (0.03, 0.5 * w),
                (head, 0.46 * w),
                (head, -0.46 * w),
                (0.03, -0.5 * w),
                (0.01, -0.48 * w),
                (-0.004, -0.0045),
            ],
            5,
        ),
        0.0008,
    )
    flat = slab(outline, 0.0022, "tines")
    for i in range(tines - 1):
        z = (i + 1 - tines / 2) * w / tines
        flat = flat - slab(rectangle(slot * 2, gap, 0.0012), 0.1, "tines").move(x=head, y=-0.05, z=z)
    flat = flat.finer(0.004)
    bowed = flat.bend(lambda p: p + np.column_stack([0 * p[:, 0], 5.0 * (p[:, 0] - 0.03) ** 2, 0 * p[:, 0]]))
    # not at the very end of the slots: a cut that only touches them leaves films
    bowed = bowed.zone(box(0.06, 0.2, 0.2, "x").move(x=head - slot - 0.0302, y=-0.1), {"tines": "neck"})
    end = length - head
    handle = tube(
        [
            (0.002, 0.006, 0),
            (-0.02, 0.0095, 0),
            (-0.4 * end, 0.013, 0),
            (-0.75 * end, 0.011, 0),
            (-end, 0.004, 0),
        ],
        [0.009, 0.0065, 0.0075, 0.013, draw.pick(0.018, 0.015, 0.02, 0.013)],
        "handle",
        [0.003, 0.0042, 0.0036, 0.003, 0.0026],
    )
    return bowed + handle
