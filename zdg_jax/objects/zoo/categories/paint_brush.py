"""Flat paint brushes."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, slab, tube
from zdg_jax.objects.zoo.outline import ellipse
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 900.0  # wood and bristle


def build(draw: Draw) -> Shape:
    w, t, length = draw.pick(0.05, 0.036, 0.07, 0.025), draw(0.011, 0.015), draw(0.13, 0.16)
    handle = tube(
        [(0, 0, 0), (0.03, 0, 0), (0.4 * length, 0, 0), (0.75 * length, 0, 0), (length, 0, 0)],
        [0.016, 0.021, 0.017, 0.02, 0.8 * w],
        "handle",
        [0.01, 0.013, 0.013, 0.014, t],
    )
    hole = slab(ellipse(0.007, 0.007, 20), 0.1, "handle").move(x=0.008, y=-0.05)
    ferrule = box(0.035, t + 0.003, w, "ferrule", 0.0025).move(x=length + 0.01, y=-(t + 0.003) / 2)
    hair = blend(
        "bristles",
        box(0.004, t, 0.95 * w, "x", 0.001).move(length + 0.024, -t / 2),
        box(0.004, 0.4 * t, w, "x", 0.001).move(length + 0.028 + draw(0.04, 0.055), -0.2 * t),
    )
    return union(handle - hole, ferrule, hair)
