"""Desk tape dispensers with a roll."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, panel
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 2000.0  # weighted plastic


def build(draw: Draw) -> Shape:
    length, w = draw(0.13, 0.16), draw(0.05, 0.06)
    r = draw(0.03, 0.036)
    side = curve(
        [
            (-0.5 * length, 0.002),
            (-0.5 * length, 0.035),
            (-0.3 * length, 0.052),
            (-0.1 * length, 0.04),
            (0.18 * length, 0.03),
            (0.42 * length, 0.052),
            (0.5 * length, 0.05),
            (0.49 * length, 0.0),
            (0, 0),
        ],
        5,
    )
    body = panel(polygon(side, 0.002), w, "body", 0.004)
    gap = panel(
        polygon(
            [(-0.42 * length, 0.018), (-0.42 * length, 0.2), (0.3 * length, 0.2), (0.2 * length, 0.018)],
            0.004,
        ),
        0.56 * w,
        "body",
    )
    roll = cylinder(r, 0.36 * w, "roll", segments=56).turn(x=90).move(-0.12 * length, 0.024 + r, 0.18 * w)
    core = cylinder(0.42 * r, w, "roll").turn(x=90).move(-0.12 * length, 0.024 + r, 0.5 * w)
    axle = cylinder(0.22 * r, 0.76 * w, "hub").turn(x=90).move(-0.12 * length, 0.024 + r, 0.38 * w)
    spokes = cylinder(0.5 * r, 0.2 * w, "hub").turn(x=90).move(-0.12 * length, 0.024 + r, 0.1 * w)
    cheeks = union(
        *(
            blend(
                "hub",
                cylinder(0.3 * r, 0.006, "x").turn(x=90).move(-0.12 * length, 0.024 + r, z),
                box(0.03, 0.01, 0.006, "x").move(-0.2 * length, 0.026, z - 0.003),
            )
            for z in (0.36 * w, -0.36 * w + 0.006)
        )
    )
    strip_ = blend(
        "tape",
        box(0.002, 0.0012, 0.34 * w, "x").move(-0.1 * length, 0.024 + 2 * r - 0.0015),
        box(0.002, 0.0012, 0.34 * w, "x").move(0.46 * length, 0.0525),
    )
    cutter = box(0.005, 0.006, 0.5 * w, "cutter").move(0.47 * length, 0.05)
    return union(body - gap, roll - core, axle, spokes, cheeks, strip_, cutter)
