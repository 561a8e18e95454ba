"""Scissors, a little open, with two finger loops."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, slab, tube
from zdg_jax.objects.zoo.outline import polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 5000.0  # steel blades, plastic loops


def build(draw: Draw) -> Shape:
    blade, grip, t = draw(0.08, 0.11), draw(0.055, 0.065), 0.0028
    ring_w, ring_l = draw(0.03, 0.034), draw.pick(0.048, 0.056, 0.042, 0.05)
    out = polygon(
        [
            (-0.012, -0.007),
            (0.01, -0.009),
            (0.75 * blade, -0.003),
            (blade, 0.0045),
            (0.01, 0.006),
            (-0.012, 0.006),
        ],
        0.001,
    )
    open_by = draw(7, 11)

    def half(y: float, loop_l: float) -> Shape:
        steel = slab(out, t, "blade").move(y=y)
        arm = tube(
            [
                (0.0, 0.005, 0.0),
                (-0.02, 0.005, -0.003),
                (-0.4 * grip - 0.012, 0.005, -0.012),
                (-grip - 0.004, 0.005, -0.012),
            ],
            0.01,
            "shank",
            0.009,
        )
        t_ = np.radians(np.arange(0, 360, 30))
        path = np.column_stack(
            [
                -grip - loop_l / 2 + loop_l / 2 * np.cos(t_),
                np.full(12, 0.005),
                -0.016 - ring_w / 2 + 0.006 + ring_w / 2 * np.sin(t_),
            ]
        )
        ring = tube(path, 0.0085, "loop", 0.01, closed=True, smooth=4)
        return union(steel, arm, ring)

    lower, upper = half(0.0022, ring_l), half(0.005, draw.pick(1.0, 1.25, 1.0, 1.35) * ring_l).mirror("z")
    screw = cylinder(0.0045, 0.0085, "pivot", 0.0008).move(y=0.001)
    return union(lower.turn(y=-open_by), upper.turn(y=open_by), screw)
