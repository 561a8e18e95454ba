"""Pliers, half open: combination, long-nose."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import blend, box, cylinder, tube
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 6000.0  # steel, dipped handles


def build(draw: Draw) -> Shape:
    grip, nose, t = draw(0.1, 0.12), draw.pick(0.042, 0.062, 0.036, 0.055), draw(0.01, 0.012)
    spread = draw(0.016, 0.02)
    arm = tube(
        [
            (-0.004, t / 2, 0.002),
            (-0.02, t / 2, 0.011),
            (-0.045, t / 2, spread + 0.004),
            (-0.7 * grip - 0.02, t / 2, spread + 0.007),
            (-grip - 0.02, t / 2, spread),
        ],
        [0.011, 0.011, 0.013, 0.014, 0.011],
        "handle",
        [t, t, 1.05 * t, 1.05 * t, t],
        square=2.8,
    )
    jaw = blend(
        "jaw",
        box(0.004, t, 0.013, "x", 0.0015).move(0.006, 0, -0.0075),
        box(0.004, 0.6 * t, 0.006, "x", 0.0015).move(nose, 0.2 * t, -0.0052),
    )
    teeth = union(
        *(
            box(0.0014, 2 * t, 0.003, "jaw").move(0.02 + 0.004 * i, -t / 2, -0.001)
            for i in range(int((nose - 0.024) / 0.004))
        )
    )
    half = arm + (jaw - teeth).turn(y=2)
    pivot = cylinder(0.0125, t, "pivot", 0.001).move(x=-0.001)
    bolt = cylinder(0.005, t + 0.003, "pivot", 0.0008)
    return union(half.twin("z"), pivot, bolt)
