"""Wired ear buds joined by their cable, in a loop on the table."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1000.0  # plastic


def build(draw: Draw) -> Shape:
    r = draw(0.0075, 0.009)
    stem = draw.pick(0.026, 0.018, 0.03, 0.022)
    bud = union(
        revolve(curve([(0.3 * r, -0.004), (0.9 * r, 0.0), (r, 0.005), (0.6 * r, 0.011)], 6), "bud"),
        revolve(curve([(0.45 * r, 0.008), (0.72 * r, 0.013), (0.5 * r, 0.019), (0.2 * r, 0.02)], 5), "tip"),
    ).turn(z=-90)
    bud = bud.move(y=r) + tube(
        [(0, r, 0), (-0.002, 0.0045, 0.006), (-0.004, 0.004, stem)], [0.0075, 0.006, 0.005], "stem"
    )
    gap, reach = draw(0.028, 0.036), draw(0.09, 0.13)
    z = stem - 0.003
    cable = tube(
        [
            (gap - 0.004, 0.0035, z),
            (gap - 0.004, 0.003, z + 0.02),
            (0.012, 0.003, z + 0.5 * reach),
            (0.0015, 0.003, z + reach),
        ],
        0.0034,
        "cable",
        smooth=10,
        sides=12,
    )
    y_piece = box(0.009, 0.0055, 0.018, "splitter", 0.0016).move(z=z + reach)
    side = bud.move(x=gap) + cable
    tail = tube(
        [
            (0, 0.003, z + reach),
            (0.006, 0.003, z + reach + 0.03),
            (-0.01, 0.003, z + reach + 0.06),
            (-0.004, 0.003, z + reach + 0.09),
        ],
        0.0036,
        "cable",
        smooth=10,
        sides=12,
    )
    plug = cylinder(0.0034, 0.018, "plug", 0.0006, 20).turn(x=90).move(
        -0.004, 0.0034, z + reach + 0.088
    ) + cylinder(0.0018, 0.03, "plug", 0.0004, 16).turn(x=90).move(-0.004, 0.0034, z + reach + 0.088)
    return union(side.twin(), y_piece, tail, plug)
