"""Bottles with a pump head to press."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1000.0  # plastic, filled


def build(draw: Draw) -> Shape:
    r, h = draw(0.032, 0.04), draw(0.11, 0.14)
    profile = curve(
        [
            (0.9 * r, 0),
            (r, 0.006),
            (draw.pick(1.0, 0.85, 1.08, 0.92) * r, 0.5 * h),
            (0.9 * r, 0.86 * h),
            (0.5 * r, h),
        ],
        7,
    )
    body = revolve(profile, "body") if draw.variant != 3 else box(1.8 * r, h, 1.8 * r, "body", 0.012)
    cap = cylinder(0.52 * r, 0.018, "cap", 0.0015).move(y=h - 0.003)
    stem = cylinder(0.005, 0.034, "pump").move(y=h + 0.008)
    y = h + 0.04
    press = revolve(
        curve([(0.007, y - 0.006), (0.016, y), (0.0165, y + 0.008), (0.011, y + 0.012)], 5), "pump"
    )
    nozzle = tube(
        [(0, y + 0.003, 0), (0.028, y + 0.005, 0), (0.046, y + 0.002, 0), (0.051, y - 0.006, 0)],
        [0.014, 0.0105, 0.009, 0.0075],
        "nozzle",
        [0.01, 0.009, 0.0085, 0.0075],
    )
    return union(body, cap, stem, press, nozzle)
