"""Safety razors with a wide head."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, panel, tube
from zdg_jax.objects.zoo.outline import polygon
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 1500.0  # plastic and steel


def build(draw: Draw) -> Shape:
    grip, w = draw(0.1, 0.125), draw(0.039, 0.044)
    bow = draw.pick(0.003, 0.008, 0.0, 0.006)
    handle = tube(
        [(0, 0, 0), (0.3 * grip, bow, 0), (0.75 * grip, 0.6 * bow, 0), (grip, 0, 0)],
        [0.011, 0.0145, 0.0115, 0.0085],
        "handle",
        [0.011, 0.0145, 0.0125, 0.009],
    )
    rings = union(
        *(
            cylinder(0.0082, 0.002, "handle", 0.0005, 24).turn(z=-90).move((0.34 + 0.06 * i) * grip, bow)
            for i in range(4 if draw.variant % 2 else 1)
        )
    )
    neck = tube([(grip - 0.004, 0, 0), (grip + 0.012, -0.004, 0)], 0.0085, "neck")
    head = (
        panel(
            polygon(
                [(-0.006, -0.0035), (0.013, -0.0055), (0.016, -0.002), (0.008, 0.0045), (-0.006, 0.0045)],
                0.001,
            ),
            w,
            "head",
            0.0015,
        )
        .turn(z=-40)
        .move(grip + 0.012, -0.006)
    )
    edges = (
        union(
            *(
                box(0.0012, 0.0022, 0.86 * w, "blade").move(0.002 + 0.004 * i, -0.006 - 0.0004 * i)
                for i in range(draw.pick(3, 2, 3, 1))
            )
        )
        .turn(z=-40)
        .move(grip + 0.012, -0.006)
    )
    return union(handle, rings, neck, head, edges)
