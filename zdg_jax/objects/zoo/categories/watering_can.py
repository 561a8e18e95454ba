"""Watering cans: long spout with a rose, handle over the back."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, ear, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1000.0  # plastic, part filled


def build(draw: Draw) -> Shape:
    r, h = draw(0.065, 0.08), draw(0.13, 0.16)
    body = revolve(curve([(0.95 * r, 0), (r, 0.01), (draw.pick(0.95, 0.85, 1.0, 0.8) * r, h)], 6), "body")
    hole = cylinder(0.5 * r, 0.1, "inside").move(x=0.08 * r, y=0.25 * h).scale(1, 1, 1.1)
    hole = hole + cylinder(0.5 * r, h, "inside").move(x=0.08 * r, y=0.3 * h).scale(1, 1, 1.1)
    reach, rise = draw(0.11, 0.14), draw(1.15, 1.3) * h
    spout = tube(
        [(-0.8 * r, 0.18 * h, 0), (-r - 0.4 * reach, 0.45 * h, 0), (-r - reach, rise, 0)],
        [0.034, 0.026, 0.02],
        "spout",
        normal=(0, 0, 1),
        round_ends=False,
    )
    rose = (
        revolve([(0.009, 0), (0.028, 0.028), (0.028, 0.034)], "rose")
        .turn(z=48)
        .move(-r - reach + 0.004, rise - 0.006)
    )
    top = h + draw(0.06, 0.075)
    handle = ear(
        [
            (-0.8 * r, h - 0.01),
            (-0.62 * r, h + 0.035),
            (0, top),
            (0.8 * r, top - 0.015),
            (r + 0.045, 0.75 * h),
            (0.92 * r, 0.3 * h),
        ],
        0.014,
        "handle",
        0.02,
    )
    return union(body, spout, handle) - hole + rose
