"""Remote controls with rows of buttons."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, slab
from zdg_jax.objects.zoo.outline import curve, polygon, rectangle
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 900.0  # plastic with batteries


def build(draw: Draw) -> Shape:
    w, long, t = draw(0.042, 0.052), draw(0.15, 0.2), draw(0.016, 0.021)
    outline = (
        rectangle(w, long, 0.008)
        if draw.variant % 2 == 0
        else polygon(
            curve(
                [
                    (-0.5 * w, -0.5 * long),
                    (-0.42 * w, 0),
                    (-0.5 * w, 0.5 * long),
                    (0.5 * w, 0.5 * long),
                    (0.42 * w, 0),
                    (0.5 * w, -0.5 * long),
                ],
                6,
                closed=True,
            ),
            0.005,
        )
    )
    body = slab(outline, t, "body", 0.003)
    keys = []
    rows = draw.pick(9, 7, 8, 10)
    for i in range(rows):
        for j in (-1, 0, 1):
            if 2 < i < 5:
                continue
            z = -0.38 * long + 0.76 * long * i / (rows - 1)
            keys.append(cylinder(0.0042, 0.003, "buttons", 0.0008, 20).move(j * 0.25 * w, t - 0.001, z))
    z = -0.38 * long + 0.76 * long * 3.5 / (rows - 1)
    ring = cylinder(0.29 * w, 0.0028, "buttons", 0.0006).move(0, t - 0.001, z) - cylinder(
        0.15 * w, 0.01, "buttons"
    ).move(0, t - 0.0005, z)
    ok = cylinder(0.11 * w, 0.003, "buttons", 0.0006).move(0, t - 0.001, z)
    power = cylinder(0.0048, 0.0034, "power", 0.0008, 24).move(-0.28 * w, t - 0.001, -0.45 * long)
    eye = box(0.012, 0.006, 0.004, "emitter", 0.0015).move(0, t / 2 - 0.003, -long / 2)
    return union(body, *keys, ring, ok, power, eye)
