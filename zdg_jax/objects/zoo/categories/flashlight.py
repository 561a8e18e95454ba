"""Torches: a thin body and a wide head."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1500.0  # metal with batteries


def build(draw: Draw) -> Shape:
    r, length = draw(0.013, 0.018), draw(0.1, 0.14)
    head = draw.pick(1.6, 1.35, 1.9, 1.5) * r
    body = cylinder(r, length, "body", 0.002)
    rings = union(
        *(
            cylinder(r + 0.0008, 0.0045, "body", 0.0005).move(y=0.2 * length + 0.009 * i)
            for i in range(int(0.06 * length / 0.009 * 10))
        )
    )
    bell = revolve([(r, length - 0.004), (r, length), (head, length + 0.024), (head, length + 0.046)], "head")
    lens = cylinder(0.86 * head, 0.02, "lens").move(y=length + 0.042)
    tail = cylinder(0.55 * r, 0.006, "switch", 0.001).move(y=-0.004)
    side = box(0.011, 0.012, 0.004, "switch", 0.0015).move(y=0.86 * length, z=r)
    return (union(body, rings, bell, tail if draw.variant % 2 else side) - lens).turn(z=-90)
