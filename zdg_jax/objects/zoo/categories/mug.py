"""Mugs: a cylinder or barrel with an ear."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, ear, vessel
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 2300.0  # stoneware


def build(draw: Draw) -> Shape:
    r, h, wall = draw(0.038, 0.046), draw(0.085, 0.11), draw(0.0035, 0.005)
    waist = draw.pick(1.0, 0.9, 1.08, 0.96)
    profile = curve([(0.86 * r, 0), (0.97 * r, 0.006), (waist * r, h / 2), (r, h)], 6)
    body, hollow = vessel(profile, wall, "body", floor=0.006)
    reach, thick = draw(0.036, 0.044), draw(0.009, 0.012)
    low, high = draw(0.16, 0.22) * h, draw(0.8, 0.88) * h
    handle = ear(
        [
            (0.9 * r, low),
            (r + 0.75 * reach, low - 0.002),
            (r + reach, (low + high) / 2),
            (r + 0.75 * reach, high + 0.002),
            (0.9 * r, high),
        ],
        thick,
        "handle",
        draw.pick(1.0, 1.5, 1.2, 1.0) * thick,
    )
    top = box(0.3, 0.02, 0.3, "rim").move(y=h - 0.008)
    return (body + handle - hollow).zone(top, {"body": "rim", "inside": "rim"})
