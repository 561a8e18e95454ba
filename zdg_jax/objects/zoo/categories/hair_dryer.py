"""Hair dryers lying on their side."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, revolve, tube
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 700.0  # plastic, mostly hollow


def build(draw: Draw) -> Shape:
    r, length, grip = draw(0.034, 0.041), draw(0.15, 0.18), draw(0.11, 0.13)
    profile = curve(
        [
            (0.7 * r, 0),
            (1.0 * r, 0.012),
            (1.08 * r, 0.35 * length),
            (0.82 * r, 0.75 * length),
            (0.72 * r, length),
        ],
        7,
    )
    barrel = revolve(profile, "barrel") - cylinder(0.62 * r, 0.05, "barrel").move(y=length - 0.02)
    grille = union(
        *(box(1.3 * r, 0.012, 0.004, "grille").move(y=-0.006, z=i * 0.009) for i in (-2, -1, 0, 1, 2))
    )
    barrel = (barrel - grille).turn(z=-90).move(-0.36 * length)
    nozzle = Shape.of(
        (cylinder(0.73 * r, 0.008, "x") + box(1.9 * r, 0.004, 0.018, "x", 0.0015).move(y=0.034)).solid.hull(),
        "nozzle",
    ) - box(1.2 * r, 0.09, 0.01, "nozzle").move(y=-0.03)
    nozzle = nozzle.turn(z=-90).move(0.63 * length)
    lean = draw.pick(-0.012, 0.0, -0.02, -0.006)
    handle = tube(
        [(-0.004, -0.5 * r, 0), (-0.008, -r - 0.03, 0), (lean - 0.01, -r - grip, 0)],
        [0.033, 0.029, 0.027],
        "handle",
        [0.04, 0.035, 0.032],
        normal=(1, 0, 0),
    )
    switch = box(0.008, 0.022, 0.012, "switch", 0.002).move(0.011, -r - 0.048)
    cord = tube([(lean - 0.01, -r - grip + 0.004, 0), (lean - 0.01, -r - grip - 0.028, 0)], 0.009, "cord")
    return union(barrel, nozzle, handle, switch, cord).turn(x=-90)
