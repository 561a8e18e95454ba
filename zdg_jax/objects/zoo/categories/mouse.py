"""Computer mice."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, panel, slab, tube
from zdg_jax.objects.zoo.outline import curve, polygon
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 700.0  # plastic, mostly hollow


def build(draw: Draw) -> Shape:
    long, w, h = draw(0.1, 0.12), draw(0.058, 0.066), draw(0.034, 0.04)
    waist = draw.pick(1.0, 0.88, 0.94, 0.9)
    outline = curve(
        [
            (-0.5 * long, 0),
            (-0.42 * long, 0.42 * w),
            (0, 0.5 * w * waist),
            (0.38 * long, 0.46 * w),
            (0.5 * long, 0.18 * w),
            (0.5 * long, -0.18 * w),
            (0.38 * long, -0.46 * w),
            (0, -0.5 * w * waist),
            (-0.42 * long, -0.42 * w),
        ],
        6,
        closed=True,
    )
    block = slab(polygon(outline, 0.004), h + 0.01, "body")
    side = curve(
        [
            (-0.52 * long, -0.001),
            (-0.5 * long, 0.3 * h),
            (-0.3 * long, 0.9 * h),
            (-0.05 * long, h),
            (0.25 * long, 0.8 * h),
            (0.5 * long, 0.38 * h),
            (0.53 * long, -0.001),
        ],
        6,
    )
    arch = panel(polygon(side), 0.1, "body")
    dome = curve(
        [
            (-0.5 * w, 0),
            (-0.48 * w, 0.55 * h),
            (-0.3 * w, 0.95 * h),
            (0, 1.06 * h),
            (0.3 * w, 0.95 * h),
            (0.48 * w, 0.55 * h),
            (0.5 * w, 0),
        ],
        6,
    )
    body = block & arch & panel(polygon(dome), 0.3, "body").turn(y=90)
    body = body.zone(box(0.45 * long, 0.2, 0.2, "x").move(x=0.3 * long, y=0.4 * h), {"body": "buttons"})
    seam = box(0.45 * long, 0.05, 0.0016, "buttons").move(0.3 * long, 0.55 * h) + box(
        0.0016, 0.05, 0.2, "buttons"
    ).move(0.075 * long, 0.75 * h)
    core = body.scale(0.97, 0.955, 0.97)
    wheel = cylinder(0.012, 0.008, "wheel", 0.001).turn(x=90).move(0.3 * long, 0.72 * h - 0.009, 0.004)
    core = Shape(core.solid, body.parts)
    shape = body - (seam - core) + wheel
    if draw.variant % 2 == 0:
        shape = shape + tube(
            [
                (0.48 * long, 0.008, 0),
                (0.56 * long, 0.005, 0),
                (0.7 * long, 0.003, 0.01),
                (0.85 * long, 0.003, 0.0),
            ],
            0.005,
            "cable",
        )
    return shape
