"""Jars with a screw lid."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1600.0  # glass with contents


def build(draw: Draw) -> Shape:
    r, h = draw(0.034, 0.044), draw(0.085, 0.14)
    lid = draw.pick(0.94, 0.86, 1.02, 0.9) * r
    belly = draw.pick(1.0, 1.1, 1.0, 1.16)
    profile = curve(
        [
            (0.85 * r, 0),
            (r, 0.008),
            (belly * r, 0.45 * h),
            (r, 0.84 * h),
            (0.9 * lid, 0.93 * h),
            (0.9 * lid, h),
        ],
        7,
    )
    body = revolve(profile, "body")
    cover = cylinder(lid, draw(0.014, 0.02), "lid", 0.0015).move(y=h - 0.008)
    knurl = box(0.0022, 0.01, 0.0022, "lid").move(x=lid, y=h - 0.006).around(30)
    return union(body, cover, knurl)
