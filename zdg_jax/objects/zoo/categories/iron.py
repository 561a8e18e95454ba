"""Steam irons standing on their plate."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, ear, slab, tube
from zdg_jax.objects.zoo.outline import curve, grown, polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 2000.0  # metal and plastic


def build(draw: Draw) -> Shape:
    long, w, h = draw(0.23, 0.27), draw(0.1, 0.12), draw(0.055, 0.065)
    sole = polygon(
        curve(
            [
                (-0.5 * long, 0.42 * w),
                (-0.2 * long, 0.5 * w),
                (0.15 * long, 0.4 * w),
                (0.5 * long, 0),
                (0.15 * long, -0.4 * w),
                (-0.2 * long, -0.5 * w),
                (-0.5 * long, -0.42 * w),
            ],
            7,
        ),
        0.006,
    )
    plate = slab(sole, 0.009, "sole", 0.001)
    upper = blend(
        "body",
        slab(grown(sole, -0.003), 0.006, "x").move(y=0.006),
        slab(grown(sole, -0.02), 0.002, "x").move(y=0.6 * h, x=-0.01),
        box(0.5 * long, 0.002, 0.4 * w, "x").move(-0.12 * long, h),
    )
    lift = draw.pick(0.052, 0.058, 0.055, 0.06)
    handle = ear(
        [
            (-0.38 * long, h - 0.02),
            (-0.38 * long, h + 0.6 * lift),
            (-0.24 * long, h + lift),
            (0, h + lift + 0.006),
            (0.16 * long, h + 0.88 * lift),
            (0.25 * long, h + 0.3 * lift),
            (0.22 * long, h - 0.03),
        ],
        0.024,
        "handle",
        0.032,
    )
    dial = cylinder(0.018, 0.008, "dial", 0.001).move(x=-0.08 * long, y=h - 0.001)
    button = cylinder(0.007, 0.008, "button", 0.0015).move(x=0.06 * long, y=h + lift + 0.012)
    cord = tube(
        [(-0.38 * long, h + 0.02, 0), (-0.46 * long, h + 0.014, 0), (-0.52 * long, h - 0.008, 0)],
        [0.013, 0.009, 0.007],
        "cord",
    )
    return union(plate, upper, handle, dial, button, cord)
