"""Dustpans with a short handle."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import panel, slab, tube
from zdg_jax.objects.zoo.outline import ellipse, polygon
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 900.0  # plastic


def build(draw: Draw) -> Shape:
    w, long, tall = draw(0.2, 0.24), draw(0.15, 0.19), draw(0.045, 0.06)
    t = 0.003
    side = polygon([(0, 0), (long, 0), (long, tall), (0.72 * long, 0.9 * tall), (0.04, 0.012)], 0.002)
    outer = panel(side, w, "pan", 0.0)
    inner = panel(polygon([(-0.1, t), (long - t, t), (long - t, 1), (-0.1, 1)]), w - 2 * t, "inside")
    grip = draw(0.11, 0.13)
    lift = draw.pick(0.01, 0.03, 0.0, 0.02)
    handle = tube(
        [
            (long - 0.006, 0.6 * tall, 0),
            (long + 0.03, 0.62 * tall + 0.4 * lift, 0),
            (long + 0.7 * grip, 0.62 * tall + lift, 0),
            (long + grip, 0.6 * tall + lift, 0),
        ],
        [0.042, 0.027, 0.03, 0.026],
        "handle",
        [0.022, 0.019, 0.021, 0.018],
        square=2.5,
    )
    hole = slab(ellipse(0.016, 0.009, 24), 0.4, "handle").move(long + grip - 0.012, -0.1)
    return (outer - inner) + (handle - hole)
