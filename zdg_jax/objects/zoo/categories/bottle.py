"""Bottles with a screw cap: water, wine, soda, lotion."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 950.0  # plastic with contents


def build(draw: Draw) -> Shape:
    r, h = draw(0.03, 0.04), draw(0.19, 0.25)
    neck = draw.pick(0.013, 0.0145, 0.013, 0.016)
    sh = draw.pick(0.62, 0.7, 0.55, 0.74) * h
    top = h - 0.024
    side = draw.pick(1.0, 1.0, 0.88, 1.0)
    profile = curve(
        [
            (0.82 * r, 0),
            (0.98 * r, 0.006),
            (r, 0.02),
            (side * r, 0.5 * sh),
            (r, sh),
            (0.72 * r, sh + 0.55 * (top - sh) * 0.6),
            (neck, top - 0.012),
            (neck, top),
        ],
        7,
    )
    body = revolve(profile, "body")
    cap = cylinder(neck + 0.0025, 0.024, "cap", 0.0015, 40).move(y=top)
    ridges = box(0.002, 0.02, 0.002, "cap").move(x=neck + 0.0025, y=top + 0.002).around(16)
    collar = cylinder(neck + 0.004, 0.006, "neck", 0.001).move(y=top - 0.005)
    zone = cylinder(0.2, 0.2, "x").move(y=sh + 0.45 * (top - sh))
    return body.zone(zone, {"body": "neck"}) + collar + cap + ridges
