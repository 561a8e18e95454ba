"""Kitchen, bread and chef's knives, lying on their side."""

import numpy as np

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, panel, slab, tube
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 4000.0  # steel blade, riveted handle


def build(draw: Draw) -> Shape:
    grip, blade = draw(0.11, 0.13), draw.pick(0.17, 0.2, 0.11, 0.15) * draw(0.95, 1.05)
    tall, t = draw.pick(0.042, 0.03, 0.022, 0.048), draw(0.015, 0.019)
    edge = [(0, -0.5 * tall), (0.5 * blade, -0.5 * tall), (0.8 * blade, -0.3 * tall), (blade, 0.35 * tall)]
    back = [(blade, 0.37 * tall), (0.7 * blade, 0.5 * tall), (0, 0.5 * tall)]
    lower = curve(edge, 10)
    if draw.variant == 1:  # serrated
        lower[:, 1] += 0.0012 * (np.arange(len(lower)) % 2)
    outline = polygon(np.concatenate([lower, curve(back, 6)]))
    wedge = panel(
        polygon(
            [
                (-0.5 * tall - 0.001, -0.0005),
                (0.5 * tall, -0.0013),
                (0.5 * tall, 0.0013),
                (-0.5 * tall - 0.001, 0.0005),
            ]
        ),
        1.0,
        "blade",
    )
    steel = slab(outline, 0.01, "blade").move(y=-0.005) & wedge.turn(y=90).turn(x=0)
    h = min(0.026, 0.8 * tall + 0.004)
    handle = tube(
        [(0.004, 0, 0), (-0.03, 0, 0), (-0.7 * grip, 0, 0.001), (-grip, 0, 0.003)],
        [h, 0.85 * h, 0.95 * h, h],
        "handle",
        [0.8 * t, t, t, 0.9 * t],
        square=2.8,
    )
    rivets = union(
        *(
            cylinder(0.0035, t + 0.0012, "handle").move(x, -t / 2 - 0.0006)
            for x in (-0.25 * grip, -0.52 * grip, -0.8 * grip)
        )
    )
    shift = 0.5 * tall - 0.5 * h  # backs in one line, the edge drops below the handle: room for knuckles
    return union(steel.move(z=shift), handle, rivets)
