"""Binoculars standing on their objectives' side."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1100.0  # metal and glass


def build(draw: Draw) -> Shape:
    r, length = draw(0.022, 0.028), draw(0.1, 0.13)
    eye, gap = draw(0.0165, 0.019), draw(0.032, 0.035)
    profile = curve(
        [
            (eye, 0),
            (eye, 0.025),
            (0.82 * r, 0.034),
            (0.95 * r, 0.5 * length),
            (r, 0.72 * length),
            (r, length),
        ],
        5,
    )
    out = draw.pick(0.0, 0.008, 0.0, 0.012)
    barrel = revolve(profile, "barrel")
    barrel = barrel.zone(cylinder(0.1, 0.027, "x").move(y=-0.001), {"barrel": "eyepiece"})
    glass = cylinder(0.85 * r, 0.02, "lens").move(y=length - 0.008) + cylinder(
        0.7 * eye, 0.02, "eyepiece"
    ).move(y=-0.012)
    ring = cylinder(1.06 * r, 0.012, "barrel", 0.001).move(y=length - 0.013)
    tube_ = (barrel + ring - glass).turn(x=90).move(x=gap + out, y=1.06 * r)
    bridge = box(2 * (gap + out), 0.012, 0.02, "bridge", 0.003).move(y=1.06 * r - 0.004, z=0.55 * length)
    bridge2 = box(2 * (gap + out), 0.012, 0.016, "bridge", 0.003).move(y=1.06 * r - 0.004, z=0.36 * length)
    wheel = (
        cylinder(0.0095, 0.026, "focus_wheel", 0.0015).turn(x=90).move(y=1.06 * r + 0.006, z=0.36 * length)
    )
    axle = cylinder(0.005, 0.5 * length, "bridge").turn(x=90).move(y=1.06 * r + 0.006, z=0.3 * length)
    return union(tube_.twin(), bridge, bridge2, wheel, axle)
