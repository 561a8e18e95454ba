"""Kettles: with a bail handle over the top, or an ear."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, ear, ellipsoid, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1500.0  # steel and plastic, part filled


def build(draw: Draw) -> Shape:
    r, h = draw(0.075, 0.09), draw(0.11, 0.15) * draw.pick(1, 1.3, 1, 1.35)
    ear_style = draw.variant % 2 == 1
    mouth = (0.72 if ear_style else 0.5) * r
    profile = curve(
        [
            (0.95 * r, 0),
            (r, 0.015),
            (0.96 * r, 0.4 * h),
            ((0.84 if ear_style else 0.74) * r, 0.8 * h),
            (mouth, h),
        ],
        8,
    )
    body = revolve(profile, "body")
    lid = revolve(
        curve(
            [
                (mouth - 0.001, h - 0.005),
                (mouth - 0.001, h + 0.003),
                (0.5 * mouth, h + 0.012),
                (0.005, h + 0.014),
            ],
            5,
        ),
        "lid",
    )
    knob = revolve(
        curve([(0.007, h + 0.01), (0.007, h + 0.02), (0.014, h + 0.027), (0.009, h + 0.034)], 5), "knob"
    )
    if ear_style:
        spout = blend(
            "spout",
            ellipsoid(0.05, 0.02, 0.05, "spout").move(-0.75 * r, 0.86 * h),
            box(0.012, 0.006, 0.02, "spout").move(-1.16 * r, 0.94 * h),
        )
        handle = ear(
            [
                (0.75 * r, 0.93 * h),
                (r + 0.035, 0.99 * h),
                (r + 0.052, 0.8 * h),
                (r + 0.05, 0.4 * h),
                (r + 0.038, 0.16 * h),
                (0.85 * r, 0.2 * h),
            ],
            0.018,
            "handle",
            0.026,
        )
    else:
        spout = tube(
            [(-0.7 * r, 0.35 * h, 0), (-1.1 * r, 0.55 * h, 0), (-1.45 * r, 0.95 * h, 0)],
            [0.045, 0.032, 0.02],
            "spout",
            round_ends=False,
            normal=(0, 0, 1),
        )
        top = h + draw(0.07, 0.085)
        handle = ear(
            [
                (-0.72 * r, 0.8 * h),
                (-0.85 * r, h + 0.02),
                (-0.5 * r, top),
                (0, top + 0.006),
                (0.5 * r, top),
                (0.85 * r, h + 0.02),
                (0.72 * r, 0.8 * h),
            ],
            0.014,
            "handle",
            0.02,
        )
    return union(body, spout, handle, lid, knob)
