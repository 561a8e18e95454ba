"""Balloon whisks."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, loop, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 3500.0  # steel wire


def build(draw: Draw) -> Shape:
    grip, head, w = draw(0.1, 0.12), draw(0.13, 0.16), draw(0.055, 0.07)
    r = draw(0.011, 0.014)
    handle = revolve(
        curve(
            [(0.4 * r, -0.001), (0.9 * r, 0.005), (0.82 * r, 0.35 * grip), (r, 0.8 * grip), (0.62 * r, grip)],
            6,
        ),
        "handle",
    )
    wire = curve(
        [
            (0.005, grip - 0.008),
            (0.18 * w, grip + 0.3 * head),
            (0.46 * w, grip + 0.66 * head),
            (0.42 * w, grip + 0.88 * head),
            (0, grip + head),
        ],
        5,
    )
    path = np.concatenate([wire, (wire[:-1] * [-1, 1])[::-1]])
    bow = tube(np.column_stack([path, 0 * path[:, 0]]), 0.0026, "wires", smooth=0, sides=8, normal=(0, 0, 1))
    count = draw.pick(4, 5, 3, 4)
    wires = union(*(bow.turn(y=180 * i / count).scale(1, 1 - 0.004 * i, 1) for i in range(count)))
    knot = cylinder(0.55 * r, 0.022, "handle", 0.002, 24).move(y=grip - 0.006)
    loop_ = loop(0.02, 0.026, 0.003, "hook").move(y=-0.009)
    return union(handle, knot, wires, loop_).turn(z=-90)
