"""Table, tea and soup spoons."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import slab, tube
from zdg_jax.objects.zoo.outline import ellipse
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 7800.0  # steel


def build(draw: Draw) -> Shape:
    length, w = (
        draw(0.17, 0.2) * draw.pick(1, 0.75, 1, 1.05),
        draw(0.038, 0.043) * draw.pick(1, 0.75, 1.15, 0.9),
    )
    bowl_l = draw.pick(0.3, 0.31, 0.27, 0.33) * length
    outline = slab(ellipse(bowl_l, w, 40), 0.0022, "bowl").finer(0.004)
    deep = draw(0.007, 0.01)
    a, b = bowl_l / 2, w / 2
    dish = outline.bend(
        lambda p: (
            p
            + np.column_stack(
                [0 * p[:, 0], deep * np.minimum((p[:, 0] / a) ** 2 + (p[:, 2] / b) ** 2, 1.1), 0 * p[:, 0]]
            )
        )
    )
    end = length - bowl_l
    handle = tube(
        [
            (-a + 0.004, deep, 0),
            (-a - 0.015, deep + 0.006, 0),
            (-a - 0.35 * end, deep + 0.012, 0),
            (-a - 0.75 * end, deep + 0.01, 0),
            (-a - end, deep + 0.003, 0),
        ],
        [0.011, 0.007, 0.0075, 0.013, draw.pick(0.019, 0.016, 0.022, 0.012)],
        "handle",
        [0.003, 0.0045, 0.0038, 0.003, 0.0026],
    )
    return dish + handle
