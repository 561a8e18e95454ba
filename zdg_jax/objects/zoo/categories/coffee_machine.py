"""Drip and capsule machines with a jug that stands under the outlet."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import box, cylinder, ear, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape, union

DENSITY = 700.0  # plastic, mostly hollow


def build(draw: Draw) -> Shape:
    w, d, h = draw(0.16, 0.2), draw(0.22, 0.26), draw(0.29, 0.34)
    base = box(w, 0.035, d, "base", 0.01)
    tower = box(w, h, 0.38 * d, "body", 0.012).move(z=-0.31 * d)
    head = box(w, 0.28 * h, d, "body", 0.014).move(y=0.72 * h)
    gap = 0.72 * h - 0.035
    r, jug = min(0.38 * w, 0.058), gap - 0.022
    y = 0.031
    profile = curve(
        [(0.85 * r, y), (r, y + 0.02), (r, y + 0.55 * jug), (0.7 * r, y + 0.88 * jug), (0.72 * r, y + jug)], 6
    )
    z = 0.16 * d
    pot = revolve(profile, "pot").move(z=z)
    ear_ = ear(
        [
            (0.6 * r, y + 0.9 * jug),
            (r + 0.025, y + 0.95 * jug),
            (r + 0.04, y + 0.6 * jug),
            (r + 0.03, y + 0.2 * jug),
            (0.9 * r, y + 0.22 * jug),
        ],
        0.012,
        "handle",
        0.018,
    )
    pot_handle = ear_.turn(y=draw.pick(-90, -60, -120, -75)).move(z=z)
    outlet = revolve([(0.012, 0.72 * h - 0.03), (0.03, 0.72 * h + 0.01)], "outlet").move(z=z)
    button = (
        cylinder(0.011, 0.01, "button", 0.002)
        .turn(x=90)
        .move(x=draw.pick(0, 0.3, -0.3, 0) * w, y=0.86 * h, z=d / 2 - 0.004)
    )
    lid = box(0.7 * w, 0.016, 0.5 * d, "lid", 0.006).move(y=h - 0.006, z=-0.1 * d)
    return union(base, tower, head, pot, pot_handle, outlet, button, lid)
