"""Rolling pins with turned handles."""

from zdg_jax.objects.zoo.draw import Draw
from zdg_jax.objects.zoo.kit import cylinder, revolve
from zdg_jax.objects.zoo.outline import curve
from zdg_jax.objects.zoo.shape import Shape

DENSITY = 700.0  # wood


def build(draw: Draw) -> Shape:
    length, r = draw(0.2, 0.27), draw(0.024, 0.032)
    grip, g = draw(0.085, 0.105), draw(0.011, 0.014)
    body = cylinder(r, length, "barrel", 0.003)
    if draw.variant == 2:
        profile = curve(
            [
                (0.5 * r, 0),
                (0.9 * r, 0.2 * length),
                (r, 0.5 * length),
                (0.9 * r, 0.8 * length),
                (0.5 * r, length),
            ],
            8,
        )
        body = revolve(profile, "barrel")
    knob = revolve(
        curve(
            [
                (0.5 * g, -0.006),
                (0.62 * g, 0.008),
                (g, 0.35 * grip),
                (0.95 * g, 0.65 * grip),
                (0.8 * g, 0.9 * grip),
                (0.3 * g, grip),
            ],
            6,
        ),
        "handle",
    )
    both = knob.move(y=length) + knob.mirror("y")
    return (body + both).turn(z=90)
