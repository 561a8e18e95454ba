"""Desk staplers."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, panel
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 2500.0  # steel and plastic


def build(draw: Draw) -> Shape:
    length, w = draw(0.13, 0.16), draw(0.03, 0.036)
    base = box(length, 0.009, w, "base", 0.003)
    rise = draw(7, 11)
    arm_l = draw.pick(0.95, 0.98, 0.92, 1.0) * length
    arm = panel(
        polygon(
            curve(
                [
                    (0, 0),
                    (0, 0.012),
                    (0.1 * length, 0.026),
                    (0.5 * length, 0.028),
                    (0.85 * arm_l, 0.02),
                    (arm_l, 0.012),
                    (arm_l, 0.004),
                    (arm_l, 0),
                ],
                4,
            ),
            0.002,
        ),
        0.86 * w,
        "arm",
        0.004,
    )
    rail = box(0.88 * arm_l, 0.007, 0.5 * w, "magazine").move(x=0.5 * arm_l, y=-0.0055)
    upper = (arm + rail).turn(z=rise).move(-length / 2 + 0.012, 0.014)
    hinge = box(0.034, 0.026, 0.95 * w, "hinge", 0.005).move(-length / 2 + 0.018)
    plate = box(0.02, 0.003, 0.55 * w, "base").move(0.42 * length, 0.0075)
    return union(base, upper, hinge, plate)
