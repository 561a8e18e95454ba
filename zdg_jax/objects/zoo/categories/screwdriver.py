"""Flat and cross-head screwdrivers."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 2500.0  # plastic handle, steel shaft


def build(draw: Draw) -> Shape:
    grip, shaft = draw(0.095, 0.115), draw(0.08, 0.14)
    r, t = draw(0.014, 0.017), draw(0.003, 0.0038)
    waist = draw.pick(0.75, 0.85, 0.7, 0.8)
    handle = revolve(
        curve(
            [
                (0.3 * r, -0.001),
                (0.9 * r, 0.004),
                (r, 0.02),
                (r, 0.6 * grip),
                (waist * r, 0.82 * grip),
                (0.85 * r, 0.93 * grip),
                (0.5 * r, grip),
            ],
            6,
        ),
        "handle",
    )
    groove = (
        cylinder(0.0035, 0.6 * grip, "handle", segments=16)
        .move(x=1.08 * r, y=0.12 * grip)
        .around(draw.pick(6, 8, 6, 4))
    )
    rod = cylinder(t, shaft - 0.008, "shaft", segments=24).move(y=grip - 0.004)
    end = grip + shaft
    if draw.variant % 2:
        tip = revolve([(t, end - 0.014), (t, end - 0.006), (0.0012, end)], "tip", 24)
        cut = box(0.002, 0.012, 0.002, "tip").move(x=0.0028, y=end - 0.008, z=0.0028).around(4)
        tip = tip - cut
    else:
        tip = blend(
            "tip",
            cylinder(t, 0.001, "x").move(y=end - 0.016),
            box(2.5 * t, 0.001, 0.0022, "x").move(y=end - 0.006),
            box(2.4 * t, 0.001, 0.0012, "x").move(y=end),
        )
    return union(handle - groove, rod, tip).turn(z=-90)
