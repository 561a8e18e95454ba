"""Badminton rackets lying flat."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, slab, tube
from zdg_jax.objects.zoo.outline import ellipse
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1500.0  # aluminium and gut


def build(draw: Draw) -> Shape:
    w, long = draw(0.19, 0.215), draw(0.235, 0.26)
    grip, shaft = draw(0.15, 0.18), draw(0.2, 0.24)
    x0 = grip + shaft
    t = np.radians(np.arange(0, 360, 15))
    n = draw.pick(0.9, 1.0, 0.8, 0.95)
    path = np.column_stack(
        [
            x0 + long / 2 + long / 2 * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** n,
            0 * t,
            w / 2 * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** n,
        ]
    )
    frame = tube(path, 0.0085, "head", 0.011, closed=True, smooth=3, sides=12)
    inside = slab(ellipse(long, w, 60), 0.1, "x").move(x=x0 + long / 2, y=-0.05)
    pitch = 0.024
    rows = [
        box(long + 0.01, 0.0018, 0.0018, "strings").move(x0 + long / 2, -0.0009, i * pitch)
        for i in range(-4, 5)
    ]
    rows += [
        box(0.0018, 0.0018, w + 0.01, "strings").move(x0 + long / 2 + i * pitch, -0.0009)
        for i in range(-5, 6)
    ]
    strings = union(*rows) & inside
    rod = tube(
        [(grip - 0.01, 0, 0), (x0 - 0.03, 0, 0), (x0 + 0.004, 0, 0)],
        [0.008, 0.0075, 0.011],
        "shaft",
        sides=14,
    )
    handle = tube(
        [(0, 0, 0), (0.012, 0, 0), (0.5 * grip, 0, 0), (0.93 * grip, 0, 0), (grip, 0, 0)],
        [0.031, 0.028, 0.025, 0.025, 0.016],
        "handle",
        [0.029, 0.026, 0.023, 0.023, 0.015],
        sides=8,
        round_ends=False,
    )
    return union(frame, strings, rod, handle)
