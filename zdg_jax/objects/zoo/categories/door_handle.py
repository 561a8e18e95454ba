"""Lever and knob handles on a plate with a keyhole."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, panel, revolve, tube
from zdg_jax.objects.zoo.outline import curve, polygon, rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 7000.0  # brass


def build(draw: Draw) -> Shape:
    tall, w = draw(0.2, 0.24), draw(0.042, 0.05)
    plate = panel(rectangle(w, tall, draw.pick(0.02, 0.004, 0.01, 0.02)), 0.008, "plate", 0.0015).move(
        y=tall / 2
    )
    y, out = 0.7 * tall, draw(0.048, 0.058)
    neck = cylinder(0.0095, out, "neck", segments=32).turn(x=90).move(0, y)
    if draw.variant == 3:
        knob = (
            revolve(
                curve([(0.01, 0), (0.024, 0.008), (0.029, 0.024), (0.02, 0.036), (0.006, 0.04)], 7), "handle"
            )
            .turn(x=90)
            .move(0, y, out - 0.008)
        )
    else:
        sag = draw.pick(0.0, 0.012, -0.008, 0.0)
        knob = tube(
            [
                (-0.004, y, out),
                (0.03, y + 0.2 * sag, out + 0.003),
                (0.075, y + 0.7 * sag, out + 0.002),
                (0.118, y + sag, out - 0.01),
            ],
            [0.016, 0.015, 0.017, 0.014],
            "handle",
            [0.018, 0.018, 0.02, 0.017],
            square=2.5,
        )
    lock = cylinder(0.0045, 0.1, "keyhole", segments=24).turn(x=90).move(0, 0.36 * tall, -0.05) + panel(
        polygon([(-0.0022, 0), (0.0022, 0), (0.0034, -0.016), (-0.0034, -0.016)]), 0.1, "keyhole"
    ).move(y=0.36 * tall)
    back = cylinder(0.017, 0.012, "plate", 0.0015).turn(x=90).move(0, y, 0.003)
    return union(plate - lock, back, knob, neck)
