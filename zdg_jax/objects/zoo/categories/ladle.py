"""Soup ladles."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import ear, tube, vessel
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 5000.0  # steel


def build(draw: Draw) -> Shape:
    r, length, t = draw(0.038, 0.048), draw(0.22, 0.27), 0.0024
    profile = curve([(0.03 * r, 0), (0.6 * r, 0.12 * r), (0.95 * r, 0.5 * r), (r, 0.78 * r)], 8)
    bowl, hollow = vessel(profile, t, "bowl", "bowl", segments=48)
    y = 0.74 * r
    handle = tube(
        [
            (r - 0.002, y - 0.008, 0),
            (r + 0.006, y + 0.02, 0),
            (r + 0.25 * length, y + 0.5 * length, 0),
            (r + 0.42 * length, y + 0.86 * length, 0),
        ],
        [0.016, 0.011, 0.014, draw.pick(0.02, 0.024, 0.017, 0.022)],
        "handle",
        [0.004, 0.005, 0.005, 0.005],
        normal=(-1, 0, 0),
    )
    tip = (r + 0.42 * length, y + 0.86 * length)
    hook = ear(
        [
            (tip[0] - 0.002, tip[1] - 0.004),
            (tip[0] + 0.004, tip[1] + 0.016),
            (tip[0] + 0.018, tip[1] + 0.016),
            (tip[0] + 0.022, tip[1] + 0.002),
        ],
        0.005,
        "hook",
        0.011,
    )
    whole = union(bowl - hollow, handle, hook) if draw.variant % 2 == 0 else union(bowl - hollow, handle)
    return whole.turn(z=draw.pick(-38, -36, -42, -35))
