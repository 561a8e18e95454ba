"""Pipe valves with a hand wheel."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, ellipsoid, tube
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 7000.0  # iron


def build(draw: Draw) -> Shape:
    r, length = draw(0.017, 0.022), draw(0.13, 0.17)
    bore = cylinder(0.72 * r, 0.03, "pipe").turn(z=90).move(length / 2 + 0.004) + cylinder(
        0.72 * r, 0.03, "pipe"
    ).turn(z=90).move(-length / 2 + 0.026)
    pipe = cylinder(r, length, "pipe", 0.0015).turn(z=90).move(length / 2, 0)
    flange = cylinder(1.55 * r, 0.009, "pipe", 0.001).turn(z=90).move(length / 2, 0) + cylinder(
        1.55 * r, 0.009, "pipe", 0.001
    ).turn(z=90).move(-length / 2 + 0.009, 0)
    body = ellipsoid(2.9 * r, 2.7 * r, 2.7 * r, "body")
    bonnet = cylinder(0.8 * r, 2.2 * r, "body", 0.002) + cylinder(1.1 * r, 0.01, "body", 0.001, 6).move(
        y=1.7 * r
    )
    top = draw(0.055, 0.075) + r
    stem = cylinder(0.006, top, "stem", segments=24)
    wheel_r, wire = draw(0.038, 0.05), draw(0.011, 0.014)
    ring = np.radians(np.arange(0, 360, 20))
    rim = tube(
        np.column_stack([wheel_r * np.cos(ring), np.full(18, top), wheel_r * np.sin(ring)]),
        wire,
        "wheel",
        closed=True,
        smooth=3,
    )
    hub = cylinder(0.012, 0.016, "hub", 0.002).move(y=top - 0.01)
    spoke = tube(
        [(0, top - 0.003, 0), (0.5 * wheel_r, top - 0.002, 0), (wheel_r, top, 0)], 0.0085, "hub"
    ).around(draw.pick(3, 4, 5, 6))
    return union(pipe, flange, body, bonnet, stem, rim, hub, spoke) - bore
