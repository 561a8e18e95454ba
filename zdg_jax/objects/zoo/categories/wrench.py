"""Open-ended, combination and adjustable wrenches."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, slab
from zdg_jax.objects.zoo.outline import ellipse, rectangle
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 7800.0  # steel


def build(draw: Draw) -> Shape:
    length, w, t = draw(0.16, 0.22), draw(0.016, 0.02), draw(0.007, 0.009)
    handle = slab(rectangle(length, w, 0.004), 0.8 * t, "handle", 0.0012).move(y=0.1 * t)
    groove = slab(rectangle(0.55 * length, 0.4 * w, 0.003), t, "handle").move(y=0.75 * t)
    big = draw(0.021, 0.025)
    jaw = slab(ellipse(2.1 * big, 1.9 * big), t, "jaw", 0.001)
    slot = slab(rectangle(2.4 * big, 0.95 * big), 0.1, "jaw").move(x=0.95 * big, y=-0.05)
    hexagon = slab(ellipse(0.95 * big, 0.95 * big, 6), 0.1, "jaw").move(x=-0.25 * big, y=-0.05)
    jaw = (jaw - slot - hexagon).turn(y=15).move(x=length / 2 + 0.4 * big)
    if draw.variant == 1:
        screw = (
            cylinder(0.006, 0.016, "adjuster", 0.001)
            .turn(x=90)
            .move(x=length / 2 - 0.002, y=t / 2, z=-0.003)
            .move(z=0.011)
        )
        return handle - groove + jaw + screw
    if draw.variant == 3:
        other = (
            (slab(ellipse(1.9 * big, 1.7 * big), t, "jaw", 0.001) - slot - hexagon)
            .turn(y=195)
            .move(x=-length / 2 - 0.35 * big)
        )
    else:
        ring = slab(ellipse(1.5 * big, 1.5 * big), t, "ring", 0.001) - slab(
            ellipse(0.95 * big, 0.95 * big, 12), 0.1, "ring"
        ).move(y=-0.05)
        other = ring.move(x=-length / 2 - 0.5 * big)
    return handle - groove + jaw + other
