"""Small drawers with a bow or a knob on the front."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 500.0  # wood


def build(draw: Draw) -> Shape:
    w, h, d = draw(0.26, 0.34), draw(0.1, 0.14), draw(0.22, 0.28)
    t = 0.01
    case = box(w - 0.02, h - 0.02, d, "box").move(y=0.008) - box(
        w - 0.02 - 2 * t, h, d - 2 * t, "inside"
    ).move(y=0.008 + t)
    front = box(w, h, 0.018, "front", 0.003).move(z=d / 2 + 0.006)
    z, y = d / 2 + 0.014, 0.52 * h
    if draw.variant % 2 == 0:
        span = draw(0.1, 0.12)
        path = [
            (-span / 2, y, z - 0.004),
            (-span / 2 + 0.002, y, z + 0.022),
            (-span / 2 + 0.018, y, z + 0.034),
            (0, y, z + 0.037),
            (span / 2 - 0.018, y, z + 0.034),
            (span / 2 - 0.002, y, z + 0.022),
            (span / 2, y, z - 0.004),
        ]
        handle = tube(path, 0.0105, "handle", 0.012)
    else:
        handle = (
            revolve(
                curve([(0.009, 0), (0.0075, 0.012), (0.017, 0.023), (0.0185, 0.03), (0.01, 0.035)], 6),
                "handle",
            )
            .turn(x=90)
            .move(0, y, z - 0.001)
        )
    return union(case, front, handle)
