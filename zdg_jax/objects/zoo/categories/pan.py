"""Frying pans and saucepans with one long handle."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import panel, tube, vessel
from zdg_jax.objects.zoo.outline import curve, ellipse
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 5000.0  # iron


def build(draw: Draw) -> Shape:
    r, wall = draw(0.1, 0.14) * draw.pick(1, 1, 0.75, 1), 0.004
    h = draw.pick(0.045, 0.055, 0.09, 0.05)
    flare = draw.pick(0.8, 0.86, 0.96, 0.74)
    body, hollow = vessel(
        curve([(flare * r - 0.006, 0), (flare * r, 0.003), (r, h)], 6), wall, "body", floor=0.006
    )
    length, w, t = draw(0.16, 0.2), draw(0.024, 0.03), draw(0.016, 0.02)
    y, x = 0.8 * h, r - 0.004
    handle = tube(
        [(x, y, 0), (x + 0.05, y + 0.012, 0), (x + 0.1, y + 0.022, 0), (x + length, y + 0.03, 0)],
        [0.7 * w, 0.7 * w, w, 1.05 * w],
        "handle",
        [0.8 * t, 0.8 * t, t, t],
        square=2.6,
    )
    hole = panel(ellipse(0.012, 0.008), 0.1, "handle").turn(x=90).move(x + length - 0.008, y + 0.03)
    return body + (handle - hole) - hollow
