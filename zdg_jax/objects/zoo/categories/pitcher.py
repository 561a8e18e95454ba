"""Jugs with a lip and a tall ear."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, ear, vessel
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1300.0  # plastic, part filled


def build(draw: Draw) -> Shape:
    r, h = draw(0.052, 0.065), draw(0.19, 0.25)
    neck = draw.pick(0.9, 0.72, 1.0, 0.8) * r
    profile = curve(
        [(0.82 * r, 0), (r, 0.12 * h), (1.04 * r, 0.4 * h), (neck, 0.82 * h), (1.05 * neck, h)], 8
    )
    body, hollow = vessel(profile, 0.0035, "body", floor=0.006)
    lip = blend(
        "spout",
        cylinder(0.5 * neck, 0.002, "x").move(-0.5 * neck, h - 0.002),
        box(0.008, 0.002, 0.016, "x").move(-neck - 0.03, h - 0.002),
        box(0.01, 0.002, 0.01, "x").move(-0.7 * neck, h - 0.05),
    )
    gutter = lip.scale(0.93, 1, 0.82).move(y=0.006)
    reach = draw(0.045, 0.055)
    handle = ear(
        [
            (0.8 * neck, 0.9 * h),
            (neck + 0.7 * reach, 0.95 * h),
            (r + reach, 0.75 * h),
            (r + 0.8 * reach, 0.42 * h),
            (0.95 * r, 0.24 * h),
        ],
        0.015,
        "handle",
        0.02,
    )
    return union(body, lip, handle) - hollow - Shape.of(gutter.solid, "inside")
