"""Combs, some with a handle."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, slab, tube
from zdg_jax.objects.zoo.outline import rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1200.0  # plastic


def build(draw: Draw) -> Shape:
    length, tall, t = draw(0.16, 0.2), draw(0.036, 0.044), draw(0.0038, 0.005)
    spine = 0.4 * tall
    count = draw.pick(26, 18, 30, 20)
    grip = draw.pick(0.0, 0.09, 0.0, 0.08)
    first = -length / 2
    body = slab(rectangle(length, tall, 0.006), t, "teeth", 0.0008)
    step = (length - 0.016) / count
    slots = [
        slab(rectangle(0.5 * step, 2 * tall), 0.1, "teeth").move(
            first + 0.008 + (i + 0.5) * step, -0.05, tall / 2 + tall - spine + 0.0
        )
        for i in range(count)
    ]
    body = body - union(*slots)
    body = body.zone(
        box(1, 0.1, 0.1, "x").move(y=-0.05, z=-tall / 2 + spine - 0.05 + 0.001), {"teeth": "spine"}
    )
    if grip:
        z = -tall / 2 + 0.55 * spine
        body = body + tube(
            [(first + 0.01, t / 2, z), (first - 0.03, t / 2, z), (first - grip, t / 2, z)],
            [0.016, 0.015, 0.012],
            "spine",
            [t, 1.3 * t, 1.2 * t],
            square=2.6,
        )
    return body
