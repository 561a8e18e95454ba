"""Table lamps with a shade and a switch on the foot."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, ellipsoid, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 900.0  # metal and fabric


def build(draw: Draw) -> Shape:
    foot, tall = draw(0.06, 0.08), draw(0.19, 0.25)
    r1, r2, shade = draw(0.085, 0.1), draw.pick(0.05, 0.075, 0.09, 0.04), draw(0.12, 0.15)
    if draw.variant % 2:
        stem_profile = curve(
            [
                (0.012, 0.012),
                (0.04, 0.3 * tall),
                (0.045, 0.45 * tall),
                (0.014, 0.8 * tall),
                (0.009, tall + 0.3 * shade),
            ],
            7,
        )
    else:
        stem_profile = [(0.008, 0.01), (0.008, tall + 0.3 * shade)]
    stem = revolve(stem_profile, "stem")
    base = revolve([(foot, 0), (foot, 0.012), (0.9 * foot, 0.018), (0.012, 0.024)], "base")
    cone = revolve([(r1, tall), (r2, tall + shade)], "shade") - revolve(
        [(r1 - 0.0032, tall - 0.002), (r2 - 0.0032, tall + shade + 0.002)], "inside"
    )
    y = tall + 0.3 * shade
    bulb = ellipsoid(0.05, 0.06, 0.05, "bulb").move(y=y + 0.02)
    arms = box(2 * (r1 + 0.3 * (r2 - r1)) - 0.002, 0.005, 0.006, "inside").move(y=y - 0.006)
    switch = cylinder(0.009, 0.012, "switch", 0.002).move(x=0.66 * foot, y=0.013)
    return union(stem, base, cone, bulb, arms, arms.turn(y=90), switch)
