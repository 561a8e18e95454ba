"""Over-ear headphones standing on their cups."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 700.0  # plastic and foam


def build(draw: Draw) -> Shape:
    w, tall = draw(0.15, 0.17), draw(0.13, 0.15)
    t = np.radians(np.arange(0, 181, 15))
    arch = np.column_stack([w / 2 * np.cos(t), 0.09 + tall * 0.62 * np.sin(t) ** 0.9, 0 * t])
    band = tube(
        arch,
        0.026,
        "headband",
        [0.007, 0.007, 0.008, 0.01, 0.012, 0.013, 0.013, 0.013, 0.012, 0.01, 0.008, 0.007, 0.007],
        normal=(1, 0, 0),
        square=2.6,
        smooth=4,
    )
    r = draw.pick(0.04, 0.036, 0.044, 0.038)
    oval = draw.pick(1.0, 1.25, 1.0, 1.15)
    shell = revolve(curve([(0.3 * r, 0), (0.85 * r, 0.004), (r, 0.016), (0.96 * r, 0.024)], 5), "cup")
    foam = tube(
        [(0.72 * r * np.cos(a), 0.03, 0.72 * r * np.sin(a)) for a in np.radians(np.arange(0, 360, 20))],
        0.02,
        "cushion",
        0.017,
        closed=True,
        smooth=2,
    )
    ear_ = union(shell, cylinder(0.66 * r, 0.008, "cup").move(y=0.022), foam).scale(oval, 1, 1)
    cup = ear_.turn(z=90).move(x=w / 2 + 0.02, y=oval * r + 0.012)
    arm = tube(
        [(w / 2, 0.1, 0), (w / 2 + 0.014, 0.085, 0), (w / 2 + 0.017, 0.05, 0)],
        0.014,
        "arm",
        0.008,
        normal=(1, 0, 0),
    )
    return union(band, (cup + arm).twin())
