"""Paddle and oval hair brushes."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, slab, tube
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1000.0  # plastic


def build(draw: Draw) -> Shape:
    grip, head, w = draw(0.1, 0.12), draw(0.1, 0.12), draw.pick(0.07, 0.05, 0.062, 0.08)
    handle = tube(
        [(0, 0, 0), (0.25 * grip, 0, 0), (0.7 * grip, 0, 0), (grip + 0.006, 0, 0)],
        [0.018, 0.025, 0.02, 0.024],
        "handle",
        [0.014, 0.019, 0.016, 0.013],
    )
    x = grip + head / 2
    square = polygon(
        curve(
            [
                (-head / 2, 0.011),
                (-0.3 * head, 0.46 * w),
                (0.3 * head, 0.5 * w),
                (head / 2, 0.3 * w),
                (head / 2, -0.3 * w),
                (0.3 * head, -0.5 * w),
                (-0.3 * head, -0.46 * w),
                (-head / 2, -0.011),
            ],
            6,
            closed=True,
        ),
        0.003,
    )
    back = slab(square, 0.012, "head", 0.003).move(x, -0.006)
    pins = []
    nx, nz = 8, draw.pick(6, 4, 5, 6)
    for i in range(nx):
        for j in range(nz):
            u, v = (i / (nx - 1) - 0.5) * 1.6, (j / (nz - 1) - 0.5) * 1.6
            if u * u + v * v < 0.92:
                pin = cylinder(0.0013, 0.02, "bristles", segments=8).move(x + u * head / 2, 0, v * w / 2)
                pins += [pin]
    return union(handle, back, *pins)
