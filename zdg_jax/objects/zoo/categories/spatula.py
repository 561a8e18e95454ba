"""Turners: a slotted blade on a long handle."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import slab, tube
from zdg_jax.objects.zoo.outline import ellipse, polygon, rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1800.0  # steel and nylon


def build(draw: Draw) -> Shape:
    grip, w, long = draw(0.17, 0.21), draw(0.075, 0.09), draw(0.085, 0.11)
    outline = polygon([(0, -0.36 * w), (0, 0.36 * w), (long, 0.5 * w), (long, -0.5 * w)], 0.008)
    blade = slab(outline, 0.0026, "blade")
    count = draw.pick(4, 3, 5, 0)
    for i in range(count):
        z = (i - (count - 1) / 2) * 0.6 * w / max(count - 1, 1)
        blade = blade - slab(rectangle(0.55 * long, 0.007, 0.003), 0.1, "blade").move(
            x=0.52 * long, y=-0.05, z=z
        )
    blade = blade.turn(z=8)
    rise = draw(0.03, 0.045)
    neck = tube(
        [(0.012, 0.003, 0), (-0.012, 0.006, 0), (-0.05, 0.6 * rise, 0), (-0.11, rise, 0)],
        [0.022, 0.013, 0.009, 0.009],
        "shaft",
        [0.004, 0.006, 0.006, 0.007],
    )
    handle = tube(
        [
            (-0.1, rise - 0.001, 0),
            (-0.13, rise + 0.003, 0),
            (-0.1 - 0.7 * grip, rise + 0.014, 0),
            (-0.1 - grip, rise + 0.012, 0),
        ],
        [0.016, 0.021, 0.024, 0.021],
        "handle",
        [0.012, 0.016, 0.017, 0.014],
        square=2.5,
    )
    hole = slab(ellipse(0.012, 0.007, 24), 0.2, "handle").move(-0.1 - grip + 0.006, 0)
    return union(blade, neck, handle - hole)
