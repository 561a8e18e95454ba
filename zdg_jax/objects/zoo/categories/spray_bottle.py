"""Bottles with a spray head and trigger."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, ear, panel, tube
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 950.0  # plastic with contents


def build(draw: Draw) -> Shape:
    w, d, h = draw(0.088, 0.1), draw(0.055, 0.065), draw(0.17, 0.2)
    rows = [
        (0.0, 0.94),
        (0.006, 1.0),
        (0.45 * h, draw.pick(1.0, 0.86, 1.0, 0.92)),
        (0.68 * h, 0.95),
        (0.84 * h, 0.55),
        (0.94 * h, 0.36),
        (h, 0.34),
    ]
    rows = [rows[0], *curve(rows[1:], 5)]  # a spline round the foot would dip below the ground
    body = tube(
        [(0, y, 0) for y, _ in rows],
        [d * max(s, 0.32 * w / d * (s < 0.6)) for _, s in rows],
        "body",
        [w * s for _, s in rows],
        normal=(1, 0, 0),
        smooth=0,
        round_ends=False,
        sides=32,
        square=2.8,
    )
    body = body.zone(box(0.3, 0.2, 0.3, "x").move(y=0.8 * h), {"body": "neck"})
    cap = cylinder(0.0165, 0.022, "cap", 0.001).move(y=h - 0.004)
    y = h + 0.02
    head = panel(
        polygon(
            [
                (-0.026, y - 0.006),
                (-0.032, y + 0.028),
                (-0.01, y + 0.036),
                (0.046, y + 0.034),
                (0.05, y + 0.016),
                (0.014, y + 0.012),
                (0.012, y - 0.006),
            ],
            0.004,
        ),
        0.024,
        "head",
        0.003,
    )
    nozzle = cylinder(0.0085, 0.014, "nozzle", 0.0015, 24).turn(z=-90).move(0.046, y + 0.025)
    reach = draw.pick(0.05, 0.056, 0.046, 0.05)
    trigger = ear(
        [(0.03, y + 0.02), (0.036, y - 0.004), (0.041, y - 0.022), (reach, y - reach + 0.004)],
        [0.011, 0.009, 0.008, 0.007],
        "trigger",
        [0.014, 0.016, 0.018, 0.016],
    )
    return union(body, cap, head, nozzle, trigger)
