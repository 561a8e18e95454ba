"""Closed books lying flat."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, panel, slab
from zdg_jax.objects.zoo.outline import curve, polygon, rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 800.0  # paper


def build(draw: Draw) -> Shape:
    w, long, t = draw(0.13, 0.17), draw(0.19, 0.24), draw.pick(0.022, 0.035, 0.016, 0.045)
    c = 0.0028
    pages = box(w - 0.007, t - 0.002, long - 0.009, "pages").move(x=-0.002, y=0.001)
    grooves = union(
        *(
            box(0.003, 0.0009, long, "pages").move((w - 0.007) / 2 - 0.0025, 0.004 + (t - 0.008) * i / 9)
            for i in range(10)
        )
    )
    lower = slab(rectangle(w, long, 0.001), c, "cover", 0.0006)
    upper = lower.move(y=t - c)
    curve_ = curve(
        [
            (-w / 2 + 0.002, 0),
            (-w / 2 - 0.005, 0.25 * t),
            (-w / 2 - 0.0065, 0.5 * t),
            (-w / 2 - 0.005, 0.75 * t),
            (-w / 2 + 0.002, t),
        ],
        6,
    )
    back = panel(polygon(np.concatenate([curve_, [(-w / 2 + 0.006, t), (-w / 2 + 0.006, 0)]])), long, "spine")
    bands = (
        union(
            *(
                panel(
                    polygon(
                        np.concatenate(
                            [curve_ * [1, 1] - [0.0018, 0], [(-w / 2 + 0.004, t), (-w / 2 + 0.004, 0)]]
                        )
                    ),
                    0.006,
                    "spine",
                ).move(z=z * long)
                for z in (-0.33, -0.11, 0.11, 0.33)
            )
        )
        if draw.variant % 2
        else back
    )
    return union(pages - grooves, lower, upper, back, bands)
