"""Brooms and hand brushes with a stick."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, panel, revolve, tube
from zdg_jax.objects.zoo.outline import polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 500.0  # wood and bristle


def build(draw: Draw) -> Shape:
    length = draw.pick(0.75, 0.95, 1.1, 0.6)
    w = draw(0.24, 0.32)
    stick = tube(
        [(0, 0.14, 0), (0, 0.5 * length, 0), (0, length + 0.1, 0)], draw(0.022, 0.026), "handle", smooth=10
    )
    block = box(w, 0.035, 0.045, "head", 0.008).move(y=0.11)
    socket = revolve([(0.02, 0.13), (0.017, 0.17)], "head")
    hair = blend(
        "bristles",
        box(0.9 * w, 0.004, 0.036, "x").move(y=0.112),
        box(draw.pick(1.05, 1.2, 1.1, 1.3) * w, 0.004, 0.05, "x"),
    )
    count = 14
    cuts = union(
        *(
            panel(polygon([(-0.003, -0.01), (0.003, -0.01), (0, 0.07)]), 0.3, "bristles").move(
                x=(i - (count - 1) / 2) * 1.02 * w / count
            )
            for i in range(count)
        )
    )
    return union(stick, block, socket, hair - cuts)
