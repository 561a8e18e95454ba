"""Syringes with a plunger half drawn and finger flanges."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve, slab
from zdg_jax.objects.zoo.outline import ellipse
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1000.0  # plastic, filled


def build(draw: Draw) -> Shape:
    r, length = draw.pick(0.009, 0.012, 0.015, 0.0105), draw(0.085, 0.105)
    out = draw(0.03, 0.055)
    barrel = cylinder(r, length, "barrel", 0.001)
    flange = slab(ellipse(4.6 * r, 2.3 * r, 40), 0.0028, "flange", 0.0006).move(y=length - 0.001)
    cross = union(
        box(1.5 * r, out + 0.02, 0.0028, "plunger"), box(0.0028, out + 0.02, 1.5 * r, "plunger")
    ).move(y=length - 0.01)
    thumb = cylinder(1.25 * r, 0.0032, "thumb_rest", 0.0008).move(y=length + out + 0.008)
    hub = revolve([(0.0045, -0.012), (0.0052, -0.004), (0.7 * r, 0.001)], "needle")
    needle = cylinder(0.0011, 0.032, "needle", segments=14).move(y=-0.042)
    return union(barrel, flange, cross, thumb, hub, needle).turn(z=90)
