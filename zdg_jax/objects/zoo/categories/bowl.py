"""Bowls on a foot ring."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, revolve, vessel
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 2200.0  # ceramic


def build(draw: Draw) -> Shape:
    r, wall = draw(0.065, 0.095), draw(0.0035, 0.005)
    h = draw.pick(0.5, 0.62, 0.42, 0.8) * r + 0.01
    profile = curve([(0.42 * r, 0.006), (0.72 * r, 0.25 * h), (0.93 * r, 0.62 * h), (r, h)], 8)
    body, hollow = vessel(profile, wall, "body", floor=wall + 0.004)
    foot = revolve([(0.4 * r, 0), (0.4 * r, 0.012)], "foot") - revolve(
        [(0.33 * r, -0.01), (0.33 * r, 0.004)], "foot"
    )
    top = box(0.5, 0.1, 0.5, "rim").move(y=h - 0.14 * h)
    return (body + foot - hollow).zone(top, {"body": "rim", "inside": "rim"})
