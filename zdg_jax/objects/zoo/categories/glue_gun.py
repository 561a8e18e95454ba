"""Hot glue guns lying on their side, glue stick behind."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, ear, panel, revolve
from zdg_jax.objects.zoo.outline import polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 900.0  # plastic, mostly hollow


def build(draw: Draw) -> Shape:
    length, tall, t = draw(0.11, 0.13), draw(0.095, 0.11), draw(0.026, 0.03)
    outline = polygon(
        [
            (-0.35 * length, 0),
            (-0.33 * length, 0.036),
            (0.35 * length, 0.036),
            (0.62 * length, 0.027),
            (0.62 * length, 0.009),
            (0.3 * length, 0.0),
            (0.03, -0.006),
            (0.0, -tall + 0.036),
            (-0.034, -tall + 0.04),
            (-0.026, -0.004),
        ],
        0.005,
    )
    body = panel(outline, t, "body", 0.004)
    body = body.zone(box(0.09, tall, 0.1, "x").move(-0.015, -tall), {"body": "handle"})
    nozzle = (
        revolve([(0.009, 0), (0.007, 0.012), (0.0025, 0.028)], "nozzle")
        .turn(z=-90)
        .move(0.61 * length, 0.018)
    )
    stick = (
        cylinder(0.0055, draw.pick(0.045, 0.06, 0.03, 0.07), "stick", 0.0008)
        .turn(z=90)
        .move(-0.33 * length, 0.02)
    )
    bow = [(0.024, 0.002), (0.034, -0.012), (0.03, -0.03), (0.022, -0.04), (0.008, -0.034)]
    trigger = ear(bow, 0.01, "trigger", 0.014)
    return union(body, nozzle, stick, trigger).turn(x=-90)
