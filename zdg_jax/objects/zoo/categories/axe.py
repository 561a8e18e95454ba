"""Hatchets and axes."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, panel, slab, tube
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 3500.0  # steel head, wooden shaft


def build(draw: Draw) -> Shape:
    length = draw(0.34, 0.46)
    w, t = draw(0.032, 0.037), draw(0.021, 0.025)
    bow = draw(0.008, 0.016)
    handle = tube(
        [
            (0, 0, -0.6 * bow),
            (0.04, 0, 0),
            (0.4 * length, 0, bow),
            (0.75 * length, 0, 0.3 * bow),
            (length, 0, 0),
        ],
        [1.15 * w, w, 0.85 * w, 0.95 * w, w],
        "handle",
        [t, t, 0.9 * t, t, 0.9 * t],
    )
    edge, reach = draw.pick(0.1, 0.085, 0.12, 0.095), draw(0.1, 0.12)
    outline = curve(
        [
            (-0.026, -0.02),
            (-0.024, 0.026),
            (0.0, 0.024),
            (0.35 * reach, 0.024),
            (reach, 0.5 * edge),
            (reach + 0.01, 0),
            (reach, -0.6 * edge),
            (0.35 * reach, -0.028),
            (0, -0.024),
        ],
        5,
        closed=True,
    )
    flat = slab(polygon(outline), 0.03, "head").move(y=-0.015)
    wedge = panel(
        polygon(
            [
                (-0.03, -0.0145),
                (0.02, -0.0145),
                (reach + 0.014, -0.0008),
                (reach + 0.014, 0.0008),
                (0.02, 0.0145),
                (-0.03, 0.0145),
            ]
        ),
        0.3,
        "head",
    )
    edge_zone = box(0.022, 0.1, 0.3, "x").move(reach, -0.05)
    head = (flat & wedge).zone(edge_zone, {"head": "blade"}).turn(y=-90).move(x=length - 0.035)
    return handle + head
